package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pquerna/cachecontrol"

	"github.com/sojourn-auth/sojourn/identity"
)

// maxDocument is how many bytes are read of one. What is kept of it has the bounds of a registration, member by member.
const maxDocument = 1 << 20

// errUnpublished says that there is no document where the client id says. errFetchesBusy is of a fetch that was one too many here.
var (
	errUnpublished = identity.Refuse(identity.Invalid,
		"There is no document at the client_id: its host answers that it is not there, or gone.")
	errFetchesBusy = &identity.Error{
		Kind: identity.Throttled, Wait: awayWait, Msg: "Too much is being fetched. Ask again in a moment.",
	}
)

// cannotRead refuses for now: the host may answer better in a moment. What went wrong is told in our words, without the
// addresses that its name has.
func cannotRead(why string) error {
	return &identity.Error{
		Kind: identity.Throttled, Wait: failPause,
		Msg: "The document at the client_id cannot be read just now: " + why,
	}
}

// lies refuses what was read.
func lies(why string) error {
	return identity.Refuse(identity.Invalid, "The document at the client_id cannot be taken: "+why)
}

// fetch reads one document, or is told that it is what it was (RFC 9110 §13.1). It is kept as long as its answer says (RFC 9111),
// within bounds. Answers that are errors, and documents that are none, are not kept (draft §5.2); there is only a pause before
// the address is asked again.
func (d *ClientDocuments) fetch(ctx context.Context, id string) (got reading, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return got, lies("its address cannot be asked for.")
	}
	before, _ := d.of(id)
	req.Header.Set("Accept", "application/json")
	asked := before.version.ask(req)
	resp, err := d.o.Fetch.Do(req)
	if err != nil {
		return got, d.unreached(ctx, id, err)
	}
	defer resp.Body.Close()
	now := d.o.Now()
	if asked && resp.StatusCode == http.StatusNotModified {
		life := before.published.FreshUntil.Sub(before.published.ReadAt)
		if saysLife(resp) {
			life = lifeOf(req, resp)
		}
		before.published = identity.Publication{ReadAt: now, FreshUntil: now.Add(life)}
		return before, nil
	}
	body, err := readPublished(resp)
	if err != nil {
		return got, err
	}
	if got.metadata, err = parseDocument(body, id, d.o.Schemes); err != nil {
		return got, err
	}
	got.published, got.version = identity.Publication{ReadAt: now, FreshUntil: now.Add(lifeOf(req, resp))}, versionOf(resp)
	return got, nil
}

// version is how a host names what it answered, so that it need not send it again.
type version struct{ tag, modified string }

// maxVersion bounds what is kept of a name, in bytes.
const maxVersion = 256

func versionOf(resp *http.Response) (v version) {
	if tag := resp.Header.Get("ETag"); len(tag) <= maxVersion {
		v.tag = tag
	}
	if at := resp.Header.Get("Last-Modified"); v.tag == "" && len(at) <= maxVersion {
		v.modified = at
	}
	return v
}

// ask has a request ask whether this is still what there is, and reports whether there is anything to ask about.
func (v version) ask(r *http.Request) bool {
	switch {
	case v.tag != "":
		r.Header.Set("If-None-Match", v.tag)
	case v.modified != "":
		r.Header.Set("If-Modified-Since", v.modified)
	default:
		return false
	}
	return true
}

func (d *ClientDocuments) unreached(ctx context.Context, id string, err error) error {
	if identity.KindOf(err) == identity.Busy {
		return errFetchesBusy
	}
	d.o.Log.DebugContext(ctx, "read a client's document", "client", id, "error", err)
	return cannotRead("its host cannot be reached from here, or does not answer within 5 seconds.")
}

// saysLife reports whether a 304 says how long its answer may be used. Without that, it is as long as before (RFC 9111 §4.3.4).
func saysLife(resp *http.Response) bool {
	return resp.Header.Get("Cache-Control") != "" || resp.Header.Get("Expires") != ""
}

// lifeOf is how long an answer may be used; a 304 says it of the one before.
func lifeOf(req *http.Request, resp *http.Response) time.Duration {
	whole := *resp
	whole.StatusCode = http.StatusOK
	reasons, until, err := cachecontrol.CachableResponse(req, &whole, cachecontrol.Options{})
	switch {
	case err != nil || len(reasons) > 0:
		return minDocumentLife
	case until.IsZero():
		return documentLife
	}
	return min(max(time.Until(until), minDocumentLife), maxDocumentLife)
}

func readPublished(resp *http.Response) ([]byte, error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, errUnpublished
	default:
		return nil, cannotRead(fmt.Sprintf("its host answers %d. It must be 200, and redirects are not followed.", resp.StatusCode))
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !(strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
		return nil, lies("its Content-Type is not application/json.")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, cannotRead("it was cut off, or took longer than 5 seconds.")
	case len(body) > maxDocument:
		return nil, lies("it is longer than 1 MiB.")
	case !utf8.Valid(body):
		return nil, lies("it is not JSON in UTF-8.")
	}
	return body, nil
}

// documentMembers are what a document says beside what a registration would.
type documentMembers struct {
	ClientID      string          `json:"client_id"`
	AuthMethods   []string        `json:"token_endpoint_auth_methods_supported"` // OpenID Connect RP Metadata Choices 1.0 §2
	Secret        json.RawMessage `json:"client_secret"`
	SecretExpires json.RawMessage `json:"client_secret_expires_at"`
}

// parseDocument reads what a client publishes. Members that nobody here knows are passed over.
func parseDocument(body []byte, id string, schemes []string) (m identity.Metadata, err error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return m, lies("it is not one JSON object.")
	}
	if name := twice(body); name != "" { // who judged the first would see the last one taken (RFC 8259 §4)
		return m, lies(printable(name) + " comes twice.")
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return !isMemberName(name) })
	if body, err = json.Marshal(members); err != nil {
		return m, err
	}
	var own documentMembers
	if err := errors.Join(fill(body, &own), fill(body, &m)); err != nil {
		return m, lies(describeMember(err))
	}
	switch {
	case own.ClientID != id: // character for character (RFC 3986 §6.2.1)
		return m, lies("its client_id is another one than its address.")
	case given(own.Secret) || given(own.SecretExpires):
		return m, lies("client_secret: A published document has no secrets.")
	}
	if m.AuthMethod, err = publishedMethod(m, own.AuthMethods); err != nil {
		return m, err
	}
	return cleanDocument(m, schemes)
}

// publishedMethod tells how the client proves itself: as its document says, else by its keys if it has some and may, else not
// at all. There is no secret to prove it by (draft-ietf-oauth-client-id-metadata-document §4.1).
func publishedMethod(m identity.Metadata, choices []string) (string, error) {
	hasKeys := m.JWKSURI != "" || given(m.JWKS)
	switch {
	case m.AuthMethod == methodJWT || m.AuthMethod == methodNone:
		return m.AuthMethod, nil
	case m.AuthMethod == "" && hasKeys && slices.Contains(choices, methodJWT):
		return methodJWT, nil
	case m.AuthMethod == "" && (len(choices) == 0 || slices.Contains(choices, methodNone)):
		return methodNone, nil
	}
	return "", lies("token_endpoint_auth_method: Use none or private_key_jwt. A published document has no secrets.")
}

// cleanDocument is identity.CleanDocument, and judges the keys too.
func cleanDocument(m identity.Metadata, schemes []string) (clean identity.Metadata, err error) {
	if clean, err = identity.CleanDocument(m, schemes); err == nil {
		err = takeKeys(&clean)
	}
	if err != nil {
		return clean, lies(describeMember(err))
	}
	return clean, nil
}

// describeMember says which member is wrong and what would be right.
func describeMember(err error) string {
	err = byMember(err)
	if said, ok := errors.AsType[*protocolError](err); ok {
		return said.description
	}
	return err.Error()
}
