package hosts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Contribute is the other hosts' end: it makes a file by calling work, giving signs of life
// meanwhile, and sends it to the leader. A failure of work is told to the leader and returned. The
// leader may start later than this host, and its name may resolve late.
func Contribute(ctx context.Context, cfg Config, work func(context.Context) (file string, err error)) error {
	s := &sender{cfg: cfg, client: &http.Client{Transport: &http.Transport{Proxy: nil,
		ResponseHeaderTimeout: cfg.silence()}}}
	defer s.client.CloseIdleConnections()
	working, done := context.WithCancel(ctx)
	var beat sync.WaitGroup
	beat.Go(func() { s.beat(working) })
	file, err := work(ctx)
	done()
	beat.Wait()
	if err != nil {
		tell, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.post(tell, "failed", strings.NewReader(err.Error()), "") // what counts is err itself
		return err
	}
	return s.send(ctx, file)
}

type sender struct {
	cfg    Config
	client *http.Client
}

// refusal is the leader's answer to a request that it does not accept.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func (s *sender) post(ctx context.Context, what string, body io.Reader, digest string) error {
	url := fmt.Sprintf("http://%s/%s/%s", net.JoinHostPort(s.cfg.Hosts.Leader(), fmt.Sprint(s.cfg.Port)), what,
		s.cfg.Hosts.Current)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	r.Header.Set(headerJob, s.cfg.Job)
	if digest != "" {
		r.Header.Set(headerDigest, digest)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxReason))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return &refusal{fmt.Sprintf("the leader %s answers %s: %s", s.cfg.Hosts.Leader(), answer.Status,
			strings.TrimSpace(string(text)))}
	}
	return nil
}

// beat gives signs of life until ctx ends; whether the leader hears them shows when the file is
// sent.
func (s *sender) beat(ctx context.Context) {
	tick := time.NewTicker(min(aliveEvery, s.cfg.silence()/5))
	defer tick.Stop()
	for {
		_ = s.post(ctx, "alive", nil, "")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// send delivers the file, again and again while the leader cannot be reached.
func (s *sender) send(ctx context.Context, file string) error {
	digest, err := digestOf(file)
	if err != nil {
		return fmt.Errorf("sagemaker: hosts: %w", err)
	}
	for began := time.Now(); ; {
		err := s.deliver(ctx, file, digest)
		var no *refusal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &no):
			return fmt.Errorf("sagemaker: hosts: %w", err)
		case ctx.Err() != nil:
			return fmt.Errorf("sagemaker: hosts: stopped while sending: %w", context.Cause(ctx))
		case time.Since(began) > s.cfg.silence():
			return fmt.Errorf("sagemaker: hosts: the leader %s cannot be reached for %v: %w", s.cfg.Hosts.Leader(),
				s.cfg.silence(), err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(retryEvery, s.cfg.silence()/10)):
		}
	}
}

func (s *sender) deliver(ctx context.Context, file, digest string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.post(ctx, "file", io.NopCloser(f), digest)
}

func digestOf(file string) (_ string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
