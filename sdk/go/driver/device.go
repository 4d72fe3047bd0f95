package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/app"
)

// clock is the system's, and what the player adds to it.
type clock struct {
	began time.Time
	tell  func(object)

	mu      sync.Mutex
	wall    time.Duration // added to the time of day
	elapsed time.Duration // added to what nobody sets
	moved   chan struct{} // closed when elapsed is
}

func newClock(tell func(object)) *clock {
	return &clock{began: time.Now(), tell: tell, moved: make(chan struct{})}
}

// Wall is the time of day.
func (c *clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Round(0).Add(c.wall)
}

// Elapsed is what nobody sets.
func (c *clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.began) + c.elapsed
}

// Wait waits until Elapsed has got there.
func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	until := c.Elapsed() + d
	c.tell(object{"event": "waiting", "seconds": d.Seconds()})
	for {
		c.mu.Lock()
		moved := c.moved
		c.mu.Unlock()
		left := until - c.Elapsed()
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-moved:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (c *clock) jump(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += by
}

func (c *clock) change(how command) {
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	c.jump(seconds(how.Wall + how.Pass + how.Sleep))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.elapsed += seconds(how.Pass)
	close(c.moved)
	c.moved = make(chan struct{})
}

// storage is a folder that may be out of order, and where a task may stand still.
type storage struct {
	*app.Folder
	dir  string
	tell func(object)

	mu    sync.Mutex
	mode  string
	at    string // where to pause
	saves int    // until then
}

var errLocked = errors.New("the store is locked")

func (s *storage) is(modes ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mode := range modes {
		if s.mode == mode {
			return true
		}
	}
	return false
}

// become sets what is out of order, or breaks something once.
func (s *storage) become(mode string) error {
	switch mode {
	case "truncated":
		file := filepath.Join(s.dir, "session")
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		return os.Truncate(file, info.Size()/2)
	case "keyless":
		return os.Remove(filepath.Join(s.dir, "key"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
	return nil
}

func (s *storage) pause(at string, nth int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.saves = at, nth
}

// Load reads, if it can be.
func (s *storage) Load(item string) ([]byte, error) {
	if s.is("locked") {
		return nil, errLocked
	}
	return s.Folder.Load(item)
}

// Check fails where nothing could be saved.
func (s *storage) Check() error {
	if s.is("locked", "readonly") {
		return errLocked
	}
	return s.Folder.Check()
}

// Save writes, if it can be, and stands still where it shall.
func (s *storage) Save(item string, content []byte) error {
	if s.is("locked", "readonly") {
		return errLocked
	}
	if s.is("full") {
		return syscall.ENOSPC
	}
	if s.is("lying") {
		return nil
	}
	last := false
	if item == "session" {
		s.mu.Lock()
		s.saves--
		last = s.saves == 0
		s.mu.Unlock()
	}
	s.stand(last, "received")
	err := s.Folder.Save(item, content)
	s.stand(last, "written")
	return err
}

// stand stands still for ever if this is the place.
func (s *storage) stand(last bool, at string) {
	if last && s.at == at {
		s.tell(object{"event": "paused", "at": at})
		select {}
	}
}
