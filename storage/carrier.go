package storage

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// carrier takes short packets from one process to all processes of a database, itself included. It may lose, double, delay
// and reorder them, and anybody may have sent them: they say where to look, never what is so.
type carrier interface {
	name() string
	// say hands over one packet.
	say(ctx context.Context, packet string) error
	// hear calls listening once packets arrive and heard for each, until ctx ends or the connection breaks.
	hear(ctx context.Context, listening func(), heard func(packet string)) error
}

// What a wake-up is about: its first byte.
const (
	wakeMarks     = 'm' // marks were committed
	wakePerson    = 'p' // a person's apps have something to read: id, 'd' for a document or 's', client
	wakeClient    = 'c' // a client was changed: its id
	wakeResources = 'r' // a resource was changed
	wakeAll       = '*' // anything may have happened
	wakeBeat      = 'b' // a heartbeat, known to who sent it alone
)

// Carry tells other processes what this one commits and hears what they commit, until ctx ends.
func (d *DB) Carry(ctx context.Context) {
	if d.wire != nil {
		d.wire.run(ctx)
	}
}

// Carrying tells how wake-ups go between processes.
func (d *DB) Carrying() Carrying { return d.wire.carrying() }

// Carried reports whether what other processes commit is told here at once, as far as a heartbeat can know. It is judged
// anew each time. Who relies on nothing but its own looks may look less often meanwhile.
func (d *DB) Carried() bool { return d.wire.young() }

// wakeUp acts upon a wake-up of another process, which may be a lie: all of it is looked for in the database.
func (d *DB) wakeUp(wake string) {
	switch kind, rest := wake[0], wake[1:]; kind {
	case wakeMarks:
		d.marked.tell()
	case wakeClient:
		d.clients.drop(rest, d.Now())
	case wakeResources:
		d.resources.drop(allResources, d.Now())
	case wakePerson:
		id, n, ok := readNews(rest)
		if !ok {
			d.wire.ignore(1)
			return
		}
		d.hub.ring(id, n)
	case wakeAll:
		d.marked.tell()
		d.clients.clear()
		d.resources.clear()
		strike(d.lookNow)
	default: // of a newer program
		d.wire.ignore(1)
	}
}

// tellNews wakes who listens for a user, here and in the other processes. It is called after the commit.
func (d *DB) tellNews(userID identity.ID, n news) {
	d.hub.ring(userID, n)
	what := "s"
	if n.document {
		what = "d"
	}
	d.wire.tell(string(wakePerson) + userID.String() + what + n.client)
}

func readNews(text string) (id uuid.UUID, n news, ok bool) {
	const idLen = 36
	if len(text) <= idLen {
		return id, n, false
	}
	id, err := uuid.Parse(text[:idLen])
	what := text[idLen]
	return id, news{client: text[idLen+1:], document: what == 'd'}, err == nil && (what == 'd' || what == 's')
}

// clientChanged forgets a client that is being written, now and once that was committed, here and in the other processes.
func (d *DB) clientChanged(ctx context.Context, id string) {
	d.clients.drop(id, d.Now())
	d.afterCommit(ctx, func() {
		d.clients.drop(id, d.Now())
		d.wire.tell(string(wakeClient) + id)
	})
}

// tellMarks wakes who follows the marks, here and in the other processes. It is called after the commit.
func (d *DB) tellMarks() {
	d.marked.tell()
	d.wire.tell(string(wakeMarks))
}

// openWire prepares what carries wake-ups, without connecting: Redis where it is set, else PostgreSQL itself.
func (d *DB) openWire(ctx context.Context, dsn string, opts Options) error {
	switch {
	case opts.Redis != "":
		client, err := openRedis(opts.Redis)
		if err != nil {
			return err
		}
		prefix, err := d.prefixOf(ctx, dsn, opts.Issuer)
		if err != nil {
			return errors.Join(err, client.Close())
		}
		d.wire = newWire(redisCarrier{client, prefix + "wake"}, opts.Log, d.wakeUp)
		d.shared = &shared{client: client, prefix: prefix, warn: d.wire.warn}
	case d.kind == Postgres:
		d.wire = newWire(notify{d.link, d.quick.pool}, opts.Log, d.wakeUp)
	}
	return nil
}

// closeWire says what was not said yet: a command is over before anything else would.
func (d *DB) closeWire() error {
	if d.wire != nil {
		ctx, stop := context.WithTimeout(context.Background(), sayWithin)
		defer stop()
		d.wire.flush(ctx)
	}
	if d.shared != nil {
		return d.shared.client.Close()
	}
	return nil
}
