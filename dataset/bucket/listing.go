package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// headTries is how many objects of a folder are measured one by one before the folder is listed,
// which tells of 1,000 at a time.
const headTries = 16

// listing is what is known of a bucket's objects. A prefix that is looked into is listed once, with
// all below it, and stays as it was then.
type listing struct {
	ctx context.Context
	b   Bucket

	mu     sync.Mutex
	listed map[string][]Object // by prefix, in the order of keys: "" or what ends in "/"
	single map[string]*Object  // measured one by one; nil: is not there
	tries  map[string]int      // measured one by one, by prefix

	asking sync.Mutex // of those below
	outage error      // of a service that did not answer
	since  time.Time  // when that was told
}

// patience is how long a service that did not answer is not asked again: a path is looked at in several
// ways, and clients have tried for seconds by then.
const patience = 5 * time.Second

// ask makes a request of the service, unless it did not answer a moment ago.
func (l *listing) ask(request func() error) error {
	l.asking.Lock()
	err, since := l.outage, l.since
	l.asking.Unlock()
	if err != nil && time.Since(since) < patience {
		return err
	}
	err = request()
	l.asking.Lock()
	defer l.asking.Unlock()
	l.outage = nil
	if unreached := (*net.OpError)(nil); l.ctx.Err() == nil && errors.As(err, &unreached) { // no answer, to any question
		l.outage, l.since = err, time.Now()
	}
	return err
}

func newListing(ctx context.Context, b Bucket) *listing {
	return &listing{ctx: ctx, b: b, listed: map[string][]Object{}, single: map[string]*Object{}, tries: map[string]int{}}
}

// parent is the prefix of the folder that a key lies in.
func parent(key string) string {
	return key[:strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/')+1]
}

// below lists a prefix, unless that was done. The caller holds no lock.
func (l *listing) below(prefix string) ([]Object, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := prefix; ; p = parent(p) {
		if all, ok := l.listed[p]; ok {
			return within(all, prefix), nil
		}
		if p == "" {
			break
		}
	}
	all := []Object{}
	for page := ""; ; {
		var got Page
		err := l.ask(func() (err error) {
			got, err = l.b.List(l.ctx, prefix, page)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: list: %w", name(l.b, prefix), err)
		}
		for _, o := range got.Objects {
			if !strings.HasSuffix(o.Key, "/") { // what consoles make of a folder without files
				all = append(all, o)
			}
		}
		if got.Next == "" {
			break
		}
		if got.Next == page {
			return nil, fmt.Errorf("%s: list: the service gives one page again and again", name(l.b, prefix))
		}
		page = got.Next
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	l.listed[prefix] = slices.Clip(all)
	return all, nil
}

// within are those of a sorted list whose keys begin with prefix.
func within(all []Object, prefix string) []Object {
	from, _ := find(all, prefix)
	all = all[from:]
	if prefix == "" {
		return all
	}
	return all[:after(all, prefix)]
}

// find is the place of a key in a sorted list, and whether it is there.
func find(all []Object, key string) (at int, ok bool) {
	return slices.BinarySearchFunc(all, key, func(o Object, key string) int { return strings.Compare(o.Key, key) })
}

// after is how many at the beginning of a sorted list have keys that begin with prefix.
func after(all []Object, prefix string) int {
	n, _ := slices.BinarySearchFunc(all, prefix, func(o Object, prefix string) int {
		if strings.HasPrefix(o.Key, prefix) {
			return -1
		}
		return strings.Compare(o.Key, prefix)
	})
	return n
}

// known is what a listing or a measurement says of a key.
func (l *listing) known(key string) (o *Object, folder, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := key + "/"; ; p = parent(p) {
		all, listed := l.listed[p]
		if listed {
			if p != key+"/" {
				if at, there := find(all, key); there {
					return &all[at], false, true
				}
			}
			if len(within(all, key+"/")) > 0 {
				return nil, true, true
			}
			if p != key+"/" {
				return nil, false, true
			}
		}
		if p == "" {
			break
		}
	}
	o, ok = l.single[key]
	return o, false, ok && o != nil
}

// stat is what a key names: an object, or with nil a folder; else fs.ErrNotExist.
func (l *listing) stat(key string) (*Object, error) {
	if key == "" {
		return nil, nil
	}
	for {
		o, folder, ok := l.known(key)
		switch {
		case o != nil || folder:
			return o, nil
		case ok:
			return nil, fs.ErrNotExist
		}
		if !l.mayTry(parent(key)) {
			if _, err := l.below(parent(key)); err != nil {
				return nil, err
			}
			continue
		}
		var got Object
		err := l.ask(func() (err error) {
			got, err = l.b.Head(l.ctx, key)
			return err
		})
		if err == nil {
			l.mu.Lock()
			l.single[key] = &got
			l.mu.Unlock()
			return &got, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", name(l.b, key), err)
		}
		list, err := l.below(key + "/")
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, fs.ErrNotExist
		}
		return nil, nil
	}
}

// mayTry tells whether another object of a folder may be measured alone.
func (l *listing) mayTry(prefix string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries[prefix]++
	return l.tries[prefix] <= headTries
}

// hasPath tells whether paths have such an element.
func hasPath(element string) bool { return element != "" && element != "." && element != ".." }

// pathless are the keys whose first element below a prefix no path has, without the prefix.
func pathless(all []Object, prefix string) (keys []string) {
	for len(all) > 0 {
		key := all[0].Key[len(prefix):]
		base, _, deeper := strings.Cut(key, "/")
		switch {
		case !hasPath(base):
			keys = append(keys, key)
			fallthrough
		case !deeper:
			all = all[1:]
		default:
			all = all[after(all, prefix+base+"/"):]
		}
	}
	return keys
}

// children are what lies directly below a prefix: objects, and names of folders. Keys with an element
// that is empty, "." or ".." have no path: theirs leads elsewhere.
func children(all []Object, prefix string, each func(name string, o *Object)) {
	for len(all) > 0 {
		base, _, deeper := strings.Cut(all[0].Key[len(prefix):], "/")
		o, n := &all[0], 1
		if deeper {
			o, n = nil, after(all, prefix+base+"/")
		}
		if hasPath(base) {
			each(base, o)
		}
		all = all[n:]
	}
}
