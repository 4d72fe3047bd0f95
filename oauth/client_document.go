package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	minDocumentLife = 5 * time.Minute    // whatever its answer says: as long as a sign-in takes
	documentLife    = time.Hour          // where it says nothing
	maxDocumentLife = 24 * time.Hour     // whatever it says
	staleDocument   = 24 * time.Hour     // for so long after it is used where it cannot be read
	goneDocument    = 7 * 24 * time.Hour // a client is over whose document was not there for so long
	maxDocuments    = 500                // kept at once
)

// How often documents are read that nobody has read lately: one network may have so many read, of one host so many are, and
// all networks together. Whoever sends people or programs here with addresses that they made up makes no more of us.
var (
	networkReads = pace{burst: 20, every: 3 * time.Second}
	hostReads    = pace{burst: 20, every: 3 * time.Second}
	allReads     = pace{burst: 100, every: 200 * time.Millisecond}
)

// clientDocumentStore is what ClientDocuments asks of the database.
type clientDocumentStore interface {
	ClientByID(ctx context.Context, id string) (identity.Client, error)
	RegisteredClient(ctx context.Context, id string) (identity.Client, error)
	KeepDocument(ctx context.Context, c identity.Client) (added bool, err error)
	DocumentsDue(ctx context.Context, limit int, again time.Time) ([]identity.Client, error)
	DocumentGone(ctx context.Context, id string, again time.Time) (since time.Time, err error)
	DropIdleDocument(ctx context.Context, id string, again time.Time) (dropped bool, err error)
	InTx(ctx context.Context, fn func(context.Context) error) error
	DeleteClient(ctx context.Context, id string) error
	AddEvent(ctx context.Context, e identity.Event) error
}

// DocumentOptions are what ClientDocuments is made of.
type DocumentOptions struct {
	Store   clientDocumentStore
	Rules   identity.DocumentRules
	Schemes []string     // without a dot, by which apps may be led back
	Fetch   *http.Client // must guard itself against private addresses; nil: no document is read
	Now     func() time.Time
	Log     *slog.Logger
}

// ClientDocuments finds clients by their ids, also those whose id is the address of a document that says what they are
// (draft-ietf-oauth-client-id-metadata-document). A document is read when somebody signs in, and kept for as long as its answer
// says, within bounds; what was read is written once the person agreed. A refresh reads no document. Many goroutines may use it.
type ClientDocuments struct {
	readings[reading]
	o                    DocumentOptions
	networks, hosts, all paces
}

// reading is what the last tries to read a document brought.
type reading struct {
	metadata  identity.Metadata
	published identity.Publication // zero: it was never read
	version   version              // of what was read
	triedAt   time.Time
	failed    error // of the last try
}

// NewClientDocuments returns what finds clients.
func NewClientDocuments(o DocumentOptions) *ClientDocuments {
	if o.Fetch != nil { // a document is where its id says, or nowhere (draft §5: "MUST NOT automatically follow HTTP redirects")
		o.Fetch = Unredirected(o.Fetch)
	}
	return &ClientDocuments{readings: newReadings[reading](maxDocuments), o: o}
}

// On reports whether documents are taken for clients at all.
func (d *ClientDocuments) On() bool { return d.o.Rules.On && d.o.Fetch != nil }

// Client returns a client as it is registered, or as its document said when somebody last agreed to sign in or it was last
// looked at. It reads no document: NotFound for clients without a row, and those whose documents the operator no longer takes.
func (d *ClientDocuments) Client(ctx context.Context, id string) (identity.Client, error) {
	if id == "" || !isText(id) || len(id) > maxClientID && (len(id) > identity.MaxClientURL || !identity.IsClientURL(id)) {
		return identity.Client{}, errNoClient
	}
	c, err := d.o.Store.ClientByID(ctx, id)
	if err == nil && c.FromDocument() && d.o.Rules.Takes(id) != nil {
		return identity.Client{}, errNoClient
	}
	return c, err
}

var errNoClient = identity.Refuse(identity.NotFound, "There is no such client.")

// Current is Client for somebody at the network address from who signs in: what is known of a client of a document is not
// older than its answer allows. Refusals besides NotFound: Invalid for a document that cannot be one, Throttled where it cannot
// be read just now.
func (d *ClientDocuments) Current(ctx context.Context, id, from string) (identity.Client, error) {
	c, err := d.Client(ctx, id)
	unknown := identity.KindOf(err) == identity.NotFound
	switch {
	case !identity.IsClientURL(id) || err != nil && !unknown || err == nil && !c.FromDocument():
		return c, err
	case unknown:
		if err := d.mayCome(ctx, id); err != nil {
			return identity.Client{}, err
		}
		c = identity.Client{ID: id, SelfRegistered: true}
	}
	return d.upToDate(ctx, c, from)
}

// mayCome refuses an address that no client is known at: one whose documents are not taken, and a client that the operator
// disabled or removed.
func (d *ClientDocuments) mayCome(ctx context.Context, id string) error {
	if err := d.o.Rules.Takes(id); err != nil {
		return err
	}
	if d.o.Fetch == nil {
		return errNoClient
	}
	_, err := d.o.Store.RegisteredClient(ctx, id)
	switch kind := identity.KindOf(err); {
	case err == nil:
		return errNoClient
	case kind == identity.NotFound:
		return nil
	}
	return err
}

// Seen returns a client as it was shown last, also one that has no row yet. It reads no document.
func (d *ClientDocuments) Seen(ctx context.Context, id string) (identity.Client, error) {
	c, err := d.Client(ctx, id)
	last, _ := d.of(id)
	if identity.KindOf(err) == identity.NotFound && !last.published.ReadAt.IsZero() { // which the rules let be
		return identity.Client{ID: id, SelfRegistered: true, Metadata: last.metadata, Published: last.published}, nil
	}
	return c, err
}

// upToDate returns a client as its document says. A document that cannot be read counts as it was for a while (RFC 5861 §4);
// one that is gone or is none does not.
func (d *ClientDocuments) upToDate(ctx context.Context, c identity.Client, from string) (identity.Client, error) {
	last, _ := d.of(c.ID)
	if last.published.ReadAt.After(c.Published.ReadAt) {
		c.Metadata, c.Published = last.metadata, last.published
	}
	now := d.o.Now()
	if c.FromDocument() && now.Before(c.Published.FreshUntil) {
		return c, nil
	}
	err := last.failed
	if err == nil || now.Sub(last.triedAt) >= failPause {
		if last, err = d.read(ctx, c.ID, from); err == nil {
			c.Metadata, c.Published = last.metadata, last.published
			return c, nil
		}
	}
	if identity.KindOf(err) == identity.Throttled && c.FromDocument() && now.Before(c.Published.FreshUntil.Add(staleDocument)) {
		return c, nil
	}
	return identity.Client{}, err
}

// Reread reads a document again because a key was shown that it did not have, at most once a minute, and writes what it says
// now; false where there is nothing new.
func (d *ClientDocuments) Reread(ctx context.Context, c identity.Client) (identity.Client, bool) {
	last, _ := d.of(c.ID)
	now := d.o.Now()
	if !c.FromDocument() || d.o.Fetch == nil || now.Sub(last.triedAt) < setPause || now.Sub(c.Published.ReadAt) < setPause {
		return c, false
	}
	last, err := d.read(ctx, c.ID, "")
	if err != nil {
		return c, false
	}
	c.Metadata, c.Published = last.metadata, last.published
	if _, err := d.o.Store.KeepDocument(ctx, c); err != nil {
		d.o.Log.ErrorContext(ctx, "keep a client's document", "client", c.ID, "error", err)
	}
	return c, true
}

// Keep writes what Current returned, where the row says something else: the Session that now begins rests on it.
func (d *ClientDocuments) Keep(ctx context.Context, c identity.Client) error {
	if !c.FromDocument() {
		return nil
	}
	known, err := d.Client(ctx, c.ID)
	if err == nil && !c.SaysTheSame(known) {
		_, err = d.o.Store.KeepDocument(ctx, c)
	}
	return err
}

// read reads a document now, together with whoever else wants it. The network that asked first pays.
func (d *ClientDocuments) read(ctx context.Context, id, from string) (reading, error) {
	return d.once(id, func() (reading, error) {
		if err := d.admit(id, from); err != nil {
			return reading{}, err
		}
		got, err := d.fetch(context.WithoutCancel(ctx), id)
		if errors.Is(err, errFetchesBusy) {
			return reading{}, err
		}
		return d.tried(id, got, err), err
	})
}

// tried keeps what a try brought. What was read before stays beside a failure.
func (d *ClientDocuments) tried(id string, got reading, failed error) reading {
	return d.note(id, func(kept *reading) {
		if failed == nil {
			*kept = got
		}
		kept.triedAt, kept.failed = d.o.Now(), failed
	})
}

// hostOf is the host of a client id, whatever its port: a host has 65,535 of them.
func hostOf(id string) string {
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// admit counts a read of what nobody has read lately.
func (d *ClientDocuments) admit(id, from string) error {
	now := d.o.Now()
	if from != "" {
		if err := d.networks.take(identity.Network(from), networkReads, now); err != nil {
			return err
		}
	}
	if err := d.hosts.take(hostOf(id), hostReads, now); err != nil { // what one host is spared costs the others nothing
		return err
	}
	return d.all.take("", allReads, now)
}
