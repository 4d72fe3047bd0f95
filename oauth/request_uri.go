package oauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxRequestFiles = 1000      // request objects kept at once, over all clients
	fragmentLife    = time.Hour // of one whose address names its content by a fragment
	fileLife        = time.Minute
)

// fetchPace is how often a client's request objects are read: anyone can make us ask for another fragment of an address
// that it registered.
// And it may be somebody else's address: of one host no more are read than that, whoever registered them.
var (
	fetchPace     = pace{burst: 30, every: time.Second}
	fetchHostPace = pace{burst: 60, every: time.Second / 4}
)

// requestFiles are request objects behind a request_uri (RFC 9101 §5.2), kept by client and whole address: a changed fragment
// says that the content changed (OpenID Connect Core 1.0 §6.2).
type requestFiles struct {
	readings[requestFile]
	fetch        *http.Client
	now          func() time.Time
	paces, hosts paces
}

type requestFile struct {
	object string
	readAt time.Time
}

func newRequestFiles(o Options) *requestFiles {
	return &requestFiles{readings: newReadings[requestFile](maxRequestFiles), fetch: o.FetchRequests, now: o.Now}
}

// fetchRequest reads the request object at an address that the client registered. An object that was kept and does not do any
// more, because it expired or the client's keys changed, is read once again.
func (e *Endpoints) fetchRequest(ctx context.Context, c identity.Client, uri string) (url.Values, error) {
	if !c.KeepsRequestAt(uri) || len(uri) > 2*maxRequestURI {
		return nil, say(invalidRequestURI, "This request_uri is not registered for the client.")
	}
	name := c.ID + " " + uri
	file, known := e.files.of(name)
	fresh := known && e.o.Now().Sub(file.readAt) < objectLife(uri)
	if fresh {
		if params, err := e.readRequest(ctx, c, file.object); err == nil {
			return params, nil
		}
	}
	read, err := e.files.read(ctx, c, uri)
	switch {
	case err == nil:
		file = read
	case identity.KindOf(err) == identity.Busy || identity.KindOf(err) == identity.Throttled:
		return nil, err
	case !known:
		e.o.Log.DebugContext(ctx, "request_uri cannot be read", "client_id", c.ID, "error", err)
		return nil, say(invalidRequestURI, "The request_uri cannot be read from here: it must answer 200 with the request object, "+
			"of at most 16,384 bytes, within 5 seconds.")
	} // else the one that was kept is better than none
	return e.readRequest(ctx, c, file.object)
}

// maxRequestURI is how long an address of a request object may be without its fragment (RFC 9101 §5.2).
const maxRequestURI = 512

func objectLife(uri string) time.Duration {
	if strings.Contains(uri, "#") {
		return fragmentLife
	}
	return fileLife
}

// requestFileSource is what stands behind a request_uri.
var requestFileSource = source{"request_uri", "application/oauth-authz-req+jwt, application/jwt", maxRequestObject}

// read fetches a request object, once for all who ask at the same time.
func (f *requestFiles) read(ctx context.Context, c identity.Client, uri string) (requestFile, error) {
	name := c.ID + " " + uri
	return f.once(name, func() (file requestFile, err error) {
		if err := f.paces.take(c.ID, fetchPace, f.now()); err != nil {
			return file, err
		}
		if err := f.hosts.take(hostOf(uri), fetchHostPace, f.now()); err != nil {
			return file, err
		}
		object, err := requestFileSource.read(ctx, f.fetch, uri)
		if err != nil {
			return file, err
		}
		return f.note(name, func(kept *requestFile) {
			*kept = requestFile{object: strings.TrimSpace(string(object)), readAt: f.now()}
		}), nil
	})
}
