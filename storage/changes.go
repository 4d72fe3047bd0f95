package storage

import (
	"sync"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// hub wakes those who listen for changes about a user. A wake-up says only that there may be something to read, so one
// that comes for nothing does no harm. The zero value is empty.
type hub struct {
	mu      sync.Mutex
	waiting map[uuid.UUID]map[chan struct{}]bool
}

// Subscribe returns a channel that is written to when there may be changes about a user: at once for what this process
// commits, within half a second for what others do, as long as WatchChanges runs. Who stops listening calls cancel.
func (d *DB) Subscribe(userID identity.ID) (wake <-chan struct{}, cancel func()) {
	bell := make(chan struct{}, 1)
	h := &d.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		h.waiting = map[uuid.UUID]map[chan struct{}]bool{}
	}
	if h.waiting[userID] == nil {
		h.waiting[userID] = map[chan struct{}]bool{}
	}
	h.waiting[userID][bell] = true
	return bell, func() { h.leave(userID, bell) }
}

func (h *hub) leave(userID uuid.UUID, bell chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting[userID], bell)
	if len(h.waiting[userID]) == 0 {
		delete(h.waiting, userID)
	}
}

// ring wakes who listens for a user. A bell that rang already and was not heard yet says enough.
func (h *hub) ring(userID uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for bell := range h.waiting[userID] {
		strike(bell)
	}
}

func (h *hub) ringAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, bells := range h.waiting {
		for bell := range bells {
			strike(bell)
		}
	}
}

func strike(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

func (h *hub) empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting) == 0
}

// ringFor wakes who listens for those whom Events are about, where apps hear of such.
func (d *DB) ringFor(events []identity.Event) {
	var last uuid.UUID
	for _, e := range events {
		if e.UserID != last && e.UserID != uuid.Nil && heard[e.Kind] {
			d.hub.ring(e.UserID)
			last = e.UserID // a person's Events come one after the other
		}
	}
}

// heard are the Events that change something for a person's apps.
var heard = map[identity.EventKind]bool{
	identity.SessionEnded: true, identity.ProfileChanged: true, identity.UserLocked: true, identity.UserDeleted: true,
}
