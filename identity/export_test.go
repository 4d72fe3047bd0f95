package identity

import "context"

// Slot runs work where a hash would be made.
func (p *Passwords) Slot(ctx context.Context, work func() error) error { return p.slot(ctx, work) }

// Queued is how many wait or hash.
func (p *Passwords) Queued() int { return len(p.queue) }
