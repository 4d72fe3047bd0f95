package oauth

import (
	"slices"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxStreams    = 10_000 // of one process
	maxPerSession = 4      // an app needs one; dead connections linger for a while
)

var errStreams = &identity.Error{
	Kind: identity.Unavailable, Msg: "Too many apps listen here. Ask again in a moment.", Wait: 10 * time.Second,
}

// streams are the event streams that are open in this process.
type streams struct {
	mu      sync.Mutex
	open    int
	of      map[identity.ID][]*stream // by Session, the oldest first
	leaving chan struct{}             // closed when the process stops
	left    sync.Once
}

// stream is one of them.
type stream struct {
	sessionID identity.ID
	replaced  chan struct{} // closed when newer ones of the Session took its place
}

func newStreams() *streams {
	return &streams{of: map[identity.ID][]*stream{}, leaving: make(chan struct{})}
}

// add makes room for one more stream of a Session. The oldest gives way to a fifth: a phone that changed networks has left
// dead ones behind and must not be locked out by them. It refuses (Unavailable) when the process is full.
func (s *streams) add(sessionID identity.ID) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxStreams {
		return nil, errStreams
	}
	s.open++
	added := &stream{sessionID: sessionID, replaced: make(chan struct{})}
	all := append(s.of[sessionID], added)
	if len(all) > maxPerSession {
		close(all[0].replaced)
		all = all[1:]
	}
	s.of[sessionID] = all
	return added, nil
}

func (s *streams) remove(gone *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.of[gone.sessionID] = slices.DeleteFunc(s.of[gone.sessionID], func(other *stream) bool { return other == gone })
	if len(s.of[gone.sessionID]) == 0 {
		delete(s.of, gone.sessionID)
	}
}

// count is how many are open.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// OpenStreams is how many apps listen to this process.
func (e *Endpoints) OpenStreams() int { return e.streams.count() }

// stop ends all streams.
func (s *streams) stop() { s.left.Do(func() { close(s.leaving) }) }
