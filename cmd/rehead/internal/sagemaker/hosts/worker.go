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
// meanwhile, and sends it to the leader. A failure of work is told to the leader and returned; one of
// another host, of which the leader tells, ends work. The leader may start later than this host, and
// its name may resolve late.
func Contribute(ctx context.Context, cfg Config, work func(context.Context) (file string, err error)) error {
	s := newSender(cfg)
	defer s.client.CloseIdleConnections()
	return s.contribute(ctx, work)
}

func newSender(cfg Config) *sender {
	return &sender{cfg: cfg, client: &http.Client{Transport: &http.Transport{Proxy: nil,
		ResponseHeaderTimeout: cfg.silence()}}}
}

func (s *sender) contribute(ctx context.Context, work func(context.Context) (file string, err error)) error {
	working, done := context.WithCancelCause(ctx)
	var beat sync.WaitGroup
	beat.Go(func() { done(s.beat(working)) })
	file, err := work(working)
	var over *refusal
	stopped := err == nil || errors.Is(err, context.Canceled) || errors.As(err, &over)
	if errors.As(context.Cause(working), &over) && stopped {
		return fmt.Errorf("sagemaker: hosts: %w", over)
	}
	done(nil)
	beat.Wait()
	if errors.As(err, &over) && over.over { // the leader knows
		return err
	}
	if err != nil {
		tell, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(tellFor, s.cfg.silence()))
		defer cancel()
		_ = s.again(tell, func() error { // what counts is err itself
			return s.post(tell, "failed", strings.NewReader(err.Error()), "")
		})
		return err
	}
	return s.send(ctx, file)
}

type sender struct {
	cfg    Config
	client *http.Client
}

// refusal is the leader's answer to a request that it does not accept.
type refusal struct {
	text string
	over bool // the job has ended
}

func (r *refusal) Error() string { return r.text }

func (s *sender) post(ctx context.Context, what string, body io.Reader, digest string) error {
	_, _, err := s.exchange(ctx, what, body, digest)
	return err
}

// maxAnswer bounds an answer of the leader, in bytes.
const maxAnswer = 1 << 28

// exchange posts something, and returns the answer; known is false while the leader has none.
func (s *sender) exchange(ctx context.Context, what string, body io.Reader, digest string) (text []byte, known bool,
	err error) {
	url := fmt.Sprintf("http://%s/%s/%s", net.JoinHostPort(s.cfg.Hosts.Leader(), fmt.Sprint(s.cfg.Port)), what,
		s.cfg.Hosts.Current)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, false, err
	}
	r.Header.Set(headerJob, s.cfg.Job)
	if digest != "" {
		r.Header.Set(headerDigest, digest)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, false, err
	}
	text, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, false, err
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return text, answer.StatusCode == http.StatusOK, nil
	}
	return nil, false, &refusal{fmt.Sprintf("the leader %s answers %s: %s", s.cfg.Hosts.Leader(), answer.Status,
		strings.TrimSpace(string(text[:min(len(text), maxReason)]))), answer.StatusCode == http.StatusGone}
}

// ask asks until the leader knows the answer. It gives up when the leader cannot be reached for the
// silence of the configuration.
func (s *sender) ask(ctx context.Context, what string) ([]byte, error) {
	heard := time.Now()
	for {
		text, known, err := s.exchange(ctx, what, nil, "")
		var no *refusal
		switch {
		case known:
			return text, nil
		case errors.As(err, &no):
			return nil, fmt.Errorf("sagemaker: hosts: %w", err)
		case err == nil:
			heard = time.Now()
		case time.Since(heard) > s.cfg.silence():
			return nil, s.unreached(err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("sagemaker: hosts: stopped while waiting: %w", context.Cause(ctx))
		case <-time.After(min(retryEvery, s.cfg.silence()/10)):
		}
	}
}

// tell posts something again and again until the leader has it, or cannot be reached for the silence of
// the configuration.
func (s *sender) tell(ctx context.Context, try func(ctx context.Context) error) error {
	trying, cancel := context.WithTimeout(ctx, s.cfg.silence())
	defer cancel()
	err := s.again(trying, func() error { return try(ctx) })
	var no *refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &no):
		return fmt.Errorf("sagemaker: hosts: %w", err)
	case ctx.Err() != nil:
		return fmt.Errorf("sagemaker: hosts: stopped while sending: %w", context.Cause(ctx))
	}
	return s.unreached(err)
}

func (s *sender) unreached(err error) error {
	return fmt.Errorf("sagemaker: hosts: the leader %s cannot be reached for %v: %w", s.cfg.Hosts.Leader(),
		s.cfg.silence(), err)
}

// beat gives signs of life until ctx ends or the leader answers that the job has, which it returns;
// whether the leader hears them shows when the file is sent.
func (s *sender) beat(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.alive())
	defer tick.Stop()
	for {
		var no *refusal
		if err := s.post(ctx, "alive", nil, ""); errors.As(err, &no) && no.over {
			return no
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// again tries until the leader answers or ctx ends. It returns the leader's refusal, or what last
// stood between.
func (s *sender) again(ctx context.Context, try func() error) error {
	for {
		err := try()
		var no *refusal
		if err == nil || errors.As(err, &no) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(retryEvery, s.cfg.silence()/10)):
		}
	}
}

// send delivers the file, again and again while the leader cannot be reached.
func (s *sender) send(ctx context.Context, file string) error {
	digest, err := digestOf(file)
	if err != nil {
		return fmt.Errorf("sagemaker: hosts: %w", err)
	}
	return s.tell(ctx, func(ctx context.Context) error { return s.deliver(ctx, file, digest) })
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
