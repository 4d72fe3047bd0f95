package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// readTimeout is how long reading one thing that a client publishes may take.
const readTimeout = 5 * time.Second

// readings keep what was read of what clients publish, in this process. Many goroutines may use it.
type readings[T any] struct {
	max   int // kept at once
	under singleflight.Group
	mu    sync.Mutex
	kept  map[string]T
}

func newReadings[T any](max int) readings[T] { return readings[T]{max: max, kept: map[string]T{}} }

// of returns what is kept under a name, or the zero value.
func (r *readings[T]) of(name string) (one T, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, known = r.kept[name]
	return one, known
}

// note changes what is kept under a name, and returns it. Which other one makes room matters little: it is read again when it is
// needed.
func (r *readings[T]) note(name string, change func(*T)) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, known := r.kept[name]
	for other := range r.kept {
		if known || len(r.kept) < r.max {
			break
		}
		delete(r.kept, other)
	}
	change(&one)
	r.kept[name] = one
	return one
}

// once has one of those who want an address read at the same time read it, for all of them.
func (r *readings[T]) once(address string, read func() (T, error)) (T, error) {
	got, err, _ := r.under.Do(address, func() (any, error) { return read() })
	return got.(T), err
}

// source is a kind of thing that a client publishes at an address that it registered.
type source struct {
	name   string // of the metadata that the address stands in
	accept string
	max    int // bytes
}

// read fetches one through the guard. The caller hanging up does not stop it: others wait for it too.
func (s source) read(ctx context.Context, guarded *http.Client, address string) ([]byte, error) {
	if guarded == nil {
		return nil, fmt.Errorf("no client to read %s with", s.name)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.name, err)
	}
	req.Header.Set("Accept", s.accept)
	resp, err := guarded.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read %s: answered %d", s.name, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(s.max)+1))
	if err != nil || len(body) > s.max {
		return nil, errors.Join(fmt.Errorf("read %s: more than %d bytes, or cut off", s.name, s.max), err)
	}
	return body, nil
}
