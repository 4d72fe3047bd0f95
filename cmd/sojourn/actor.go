package main

import (
	"context"
	"os/user"

	"github.com/sojourn-auth/sojourn/identity"
)

// act is work that changes something: its Events name who of the operators did it.
func (p *program) act(ctx context.Context, job func(context.Context, opened) error) error {
	return p.work(identity.WithActor(ctx, p.actor()), job)
}

// actor is who says so with --as, who called sudo, or who the system says it is. It is no proof: whoever reaches the
// database can write anything.
func (p *program) actor() string {
	nobody := identity.Actor("cli", "")
	for _, name := range []string{p.as, p.getenv("SUDO_USER"), systemUser()} {
		if actor := identity.Actor("cli", name); actor != nobody {
			return actor
		}
	}
	return identity.Actor("cli", "unknown")
}

func systemUser() string {
	if who, err := user.Current(); err == nil {
		return who.Username
	}
	return "" // no such user here: a container without /etc/passwd
}

func (o opened) operators() identity.Operators {
	return identity.Operators{Store: o.db, Now: o.db.Now}
}
