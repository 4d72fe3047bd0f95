package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// notifyChannel is heard by the processes of one database alone: PostgreSQL keeps the channels of databases apart.
const notifyChannel = "sojourn"

// errPooled is that nothing can be heard: a pooler lends each transaction another session of the server.
var errPooled = errors.New("a pooler stands in between, which hands no notification on")

// notify carries wake-ups by PostgreSQL's LISTEN and NOTIFY. It listens on a connection of its own. It speaks on one of those
// for what is quick, after the commit of what it tells and apart from it: a NOTIFY inside of a transaction would have all
// commits wait for each other.
type notify struct {
	link  *link
	speak *pgxpool.Pool
}

func (notify) name() string { return Postgres }

func (n notify) say(ctx context.Context, packet string) error {
	if _, err := n.speak.Exec(ctx, "SELECT pg_notify($1, $2)", notifyChannel, packet); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

func (n notify) hear(ctx context.Context, listening func(), heard func(string)) error {
	if n.link.Pooled() {
		return errPooled
	}
	conn, err := pgx.ConnectConfig(ctx, n.link.config.Copy())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		bound, stop := context.WithTimeout(context.WithoutCancel(ctx), sayWithin)
		defer stop()
		_ = conn.Close(bound)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	listening()
	for {
		bound, stop := context.WithTimeout(ctx, silence)
		said, err := conn.WaitForNotification(bound)
		stop()
		if err != nil {
			return fmt.Errorf("wait for notification: %w", err)
		}
		heard(said.Payload)
	}
}
