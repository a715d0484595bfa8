package hosts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/c236555e/rehead/dataset"
)

// plan is what a host of sharded channels is to do.
type plan struct {
	Files    []int  `json:"files"` // places in its inventory of the pictures to embed
	Of       int    `json:"of"`    // pictures of all hosts
	Features string `json:"features"`
}

// digests is the name of the file in which a host sends its pictures' SHA-256, in the order of its plan.
const digests = "digests"

// contributeParts tells what this host has, embeds what it is told of that, and hands pictures out until
// the leader is done.
func (k *Work) contributeParts(ctx context.Context) (err error) {
	s := newSender(k.Config)
	defer s.client.CloseIdleConnections()
	var served *fileServer
	defer func() {
		if served != nil {
			err = errors.Join(err, served.close())
		}
	}()
	err = s.contribute(ctx, func(ctx context.Context) (string, error) {
		have, err := takeStock(k.Config.Sharded)
		if err != nil {
			return "", err
		}
		if served, err = serveFiles(k.Config.Job, k.Config.Sharded, &have); err != nil {
			return "", err
		}
		text, err := json.Marshal(have)
		if err != nil {
			return "", err
		}
		if err := s.tell(ctx, func(ctx context.Context) error {
			return s.post(ctx, "parts", bytes.NewReader(text), "")
		}); err != nil {
			return "", err
		}
		return k.embedPlanned(ctx, s, have)
	})
	if err != nil {
		return err
	}
	_, err = s.ask(ctx, "done")
	return err
}

// embedPlanned asks for the plan and follows it.
func (k *Work) embedPlanned(ctx context.Context, s *sender, have inventory) (string, error) {
	w, err := k.Weights()
	if err != nil {
		return "", err
	}
	text, err := s.ask(ctx, "plan")
	if err != nil {
		return "", err
	}
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return "", fmt.Errorf("train: hosts: the leader's plan cannot be read: %w", err)
	}
	*k.Features = p.Features
	mine := &dataset.Folder{Labels: []string{"any"}} // which label a picture has is the leader's concern
	for _, place := range p.Files {
		if place < 0 || place >= len(have.Files) {
			return "", fmt.Errorf("train: hosts: the leader's plan has file %d of %d", place, len(have.Files))
		}
		f := have.Files[place]
		mine.Items = append(mine.Items, dataset.Item{Rel: f.Path,
			Path: filepath.Join(k.Config.Sharded[f.Channel], filepath.FromSlash(f.Path))})
	}
	e, err := k.share(ctx, mine, w, p.Of)
	if err != nil {
		return "", err
	}
	scratch, err := k.Scratch()
	if err != nil {
		return "", err
	}
	var sums []byte
	for _, sum := range e.Sums {
		sums = append(sums, sum[:]...)
	}
	path := filepath.Join(scratch, digests)
	if err := os.WriteFile(path, sums, 0o600); err != nil {
		return "", err
	}
	return k.pack(append(files(e), path))
}

// leadParts puts together what all hosts have, tells each what to embed, and merges what comes.
func (k *Work) leadParts(ctx context.Context) (_ *Shared, err error) {
	scratch, err := k.Scratch()
	if err != nil {
		return nil, err
	}
	c, err := Collect(k.Config, scratch, 0)
	if err != nil {
		return nil, err
	}
	c.stay = true
	defer func() {
		if err != nil {
			c.End(ctx, err)
			err = errors.Join(err, c.Close())
		}
	}()
	own, err := takeStock(k.Config.Sharded)
	if err != nil {
		return nil, err
	}
	store, err := k.together(ctx, c, own)
	if err != nil {
		return nil, err
	}
	folder, w, err := k.plan(ctx, store)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.most = k.bound(len(folder.Items), w)
	c.mu.Unlock()
	planned, err := k.deal(c, store, folder)
	if err != nil {
		return nil, err
	}
	mine := *folder
	mine.Items = nil
	for _, i := range planned[k.Config.Hosts.Current] {
		mine.Items = append(mine.Items, folder.Items[i])
	}
	e, err := k.share(ctx, &mine, w, len(folder.Items))
	if err != nil {
		return nil, err
	}
	sent, err := c.Wait(ctx)
	if err != nil {
		return nil, err
	}
	for host, archive := range sent {
		dir, err := k.merge(w, host, archive, append(files(e), digests))
		if err != nil {
			return nil, err
		}
		if err := learn(store, folder, planned[host], filepath.Join(dir, digests)); err != nil {
			return nil, fmt.Errorf("train: pictures of %s: %w", host, err)
		}
	}
	return &Shared{c}, nil
}

// together is the store of what all hosts have.
func (k *Work) together(ctx context.Context, c *Collector, own inventory) (*Store, error) {
	err := c.waitFor(ctx, func(host string) bool { _, ok := c.parts[host]; return ok })
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	have, ports := map[string]inventory{k.Config.Hosts.Current: own}, map[string]int{}
	for host, of := range c.parts {
		have[host], ports[host] = of, of.Port
	}
	store, err := newStore(k.Config.Hosts.Current, k.Config.Sharded, have)
	if err != nil {
		return nil, err
	}
	f := &fetcher{ctx: ctx, cfg: k.Config, ports: ports, failed: k.Lost,
		client: &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: store.AtOnce(),
			ResponseHeaderTimeout: k.Config.silence()}}}
	store.fetch = f.open
	return store, nil
}

// deal makes every host's plan, and returns the items of each.
func (k *Work) deal(c *Collector, store *Store, folder *dataset.Folder) (map[string][]int, error) {
	paths := make([]string, len(folder.Items))
	for i, it := range folder.Items {
		paths[i] = it.Path
	}
	items, plans := map[string][]int{}, map[string][]byte{}
	for _, host := range k.Config.Hosts.All {
		at, places := store.has(host, paths)
		items[host] = at
		text, err := json.Marshal(plan{Files: places, Of: len(paths), Features: *k.Features})
		if err != nil {
			return nil, err
		}
		plans[host] = text
	}
	c.update(func() { c.plans = plans })
	return items, nil
}

// learn takes the digests of a host's pictures from the file that it sent.
func learn(store *Store, folder *dataset.Folder, items []int, file string) error {
	sums, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if len(sums) != len(items)*sha256.Size {
		return fmt.Errorf("got %d bytes of digests, want those of %d pictures: its build is another", len(sums), len(items))
	}
	for n, i := range items {
		store.know(folder.Items[i].Path, [sha256.Size]byte(sums[n*sha256.Size:]))
	}
	return nil
}
