package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

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
	fetch        *http.Client
	now          func() time.Time
	paces, hosts paces
	under        singleflight.Group
	mu           sync.Mutex
	kept         map[string]requestFile
}

type requestFile struct {
	object string
	readAt time.Time
}

func newRequestFiles(o Options) *requestFiles {
	return &requestFiles{fetch: o.FetchRequests, now: o.Now, kept: map[string]requestFile{}}
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

func (f *requestFiles) of(name string) (requestFile, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, ok := f.kept[name]
	return file, ok
}

// read fetches a request object, once for all who ask at the same time.
func (f *requestFiles) read(ctx context.Context, c identity.Client, uri string) (requestFile, error) {
	name := c.ID + " " + uri
	got, err, _ := f.under.Do(name, func() (any, error) {
		if err := f.paces.take(c.ID, fetchPace, f.now()); err != nil {
			return nil, err
		}
		if err := f.hosts.take(hostOf(uri), fetchHostPace, f.now()); err != nil {
			return nil, err
		}
		object, err := f.get(ctx, uri)
		if err != nil {
			return nil, err
		}
		file := requestFile{object: object, readAt: f.now()}
		f.keep(name, file)
		return file, nil
	})
	if err != nil {
		return requestFile{}, err
	}
	return got.(requestFile), nil
}

func (f *requestFiles) keep(name string, file requestFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.kept[name]; !known && len(f.kept) >= maxRequestFiles {
		for other := range f.kept { // any one: it is read again when it is needed
			delete(f.kept, other)
			break
		}
	}
	f.kept[name] = file
}

// get fetches through the guard. The caller hanging up does not stop it: others wait for it too.
func (f *requestFiles) get(ctx context.Context, uri string) (string, error) {
	if f.fetch == nil {
		return "", errors.New("no client to read request_uri with")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return "", fmt.Errorf("read request_uri: %w", err)
	}
	req.Header.Set("Accept", "application/oauth-authz-req+jwt, application/jwt")
	resp, err := f.fetch.Do(req)
	if err != nil {
		return "", fmt.Errorf("read request_uri: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("read request_uri: answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRequestObject+1))
	if err != nil || len(body) > maxRequestObject {
		return "", errors.Join(fmt.Errorf("read request_uri: more than %d bytes, or cut off", maxRequestObject), err)
	}
	return strings.TrimSpace(string(body)), nil
}
