package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/sojourn-auth/sojourn/identity"
)

// The values of Options.Registration; anything else is as good as closed.
const (
	registrationOpen  = "open"  // to everyone, with a throttle per address
	registrationToken = "token" // to holders of an initial access token
)

var (
	errRegistrationClosed = identity.Refuse(identity.Forbidden,
		"Clients cannot register themselves here. Ask the operator of this server to add yours.")
	errInitialToken = identity.Refuse(identity.BadLogin,
		"Send an initial access token as Authorization: Bearer; the operator of this server gives them out.")
	// errManagement is the one answer to a wrong token and to a client that does not exist, or that the operator added:
	// nothing is said about which (RFC 7592 §2.1).
	errManagement = identity.Refuse(identity.BadLogin,
		"Send the registration_access_token of this client as Authorization: Bearer.")
)

// registered is the client information response (RFC 7591 §3.2.1, RFC 7592 §3).
type registered struct {
	ClientID        string `json:"client_id"`
	IssuedAt        int64  `json:"client_id_issued_at"`
	Secret          string `json:"client_secret,omitempty"` // only where it has just been made: the row has its hash
	SecretExpiresAt *int   `json:"client_secret_expires_at,omitempty"`
	AccessToken     string `json:"registration_access_token"`

	// LeftOut is of no standard: RFC 7591 §3.2.1 lets a server leave out what it cannot take, and has no word for why.
	LeftOut []identity.LeftOut `json:"redirect_uris_left_out,omitempty"`

	URI string `json:"registration_client_uri"`
	identity.Metadata
}

// register serves POST /oauth2/register (RFC 7591 §3, OpenID Connect Registration 1.0 §3).
func (e *Endpoints) register(w http.ResponseWriter, r *http.Request) {
	answer, err := e.registerClient(w, r)
	if err != nil {
		if trail := identity.TrailOf(r.Context()); trail.Registering == "" { // it was refused before it was read
			trail.Registering = identity.RegistrationRefused
		}
		e.refuse(w, r, atRegister, byMember(err))
		return
	}
	e.writeJSON(w, http.StatusCreated, answer)
}

func (e *Endpoints) registerClient(w http.ResponseWriter, r *http.Request) (registered, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		return registered{}, errMethod
	}
	token, err := e.initialToken(r)
	if err != nil {
		return registered{}, err
	}
	asked, err := readRegistration(w, r)
	if err != nil {
		return registered{}, err
	}
	made, err := e.RegisterClient(r, asked.Metadata, token)
	if err != nil {
		return registered{}, err
	}
	answer := e.informationOf(made.Client, made.Secret, made.Access)
	answer.LeftOut = made.LeftOut
	return answer, nil
}

// RegisterClient registers a client for whoever sent r, be it a program or a person with a form. initial is the initial access
// token, which counts where registration asks for one. Refusals: Invalid with the member, BadLogin for the token, Throttled,
// Forbidden where registration is closed.
func (e *Endpoints) RegisterClient(r *http.Request, asked identity.Metadata, initial string) (identity.Registered, error) {
	made, err := e.makeClient(r, asked, initial)
	word := identity.RegistrationMade
	switch {
	case identity.KindOf(err) == identity.Unavailable:
		word = identity.RegistrationFailed
	case err != nil:
		word = identity.RegistrationRefused
	}
	identity.TrailOf(r.Context()).Registering = word
	return made, err
}

func (e *Endpoints) makeClient(r *http.Request, asked identity.Metadata, initial string) (made identity.Registered, err error) {
	if e.o.Registration != registrationOpen && e.o.Registration != registrationToken {
		return made, errRegistrationClosed
	}
	made.Client = identity.Client{ID: identity.RandomText(16), SelfRegistered: true, CreatedAt: e.o.Now()}
	if made.Metadata, made.LeftOut, err = e.take(asked); err != nil {
		return made, err
	}
	if err := e.throttleRegistration(r); err != nil {
		return made, err
	}
	if err := e.checkSector(r.Context(), made.Metadata); err != nil {
		return made, err
	}
	made.Access, made.RegistrationHash = identity.NewManagementToken()
	made.Secret = e.settleSecret(&made.Client)
	return made, e.create(r, made.Client, initial)
}

// create spends the initial access token, if one is needed, and makes the client: together or not at all, so that of many
// requests with one use left exactly one makes a client, and a failed one costs no use.
func (e *Endpoints) create(r *http.Request, c identity.Client, initial string) error {
	return e.store.InTx(r.Context(), func(ctx context.Context) error {
		if e.o.Registration != registrationOpen {
			if err := e.store.SpendRegistrationToken(ctx, identity.HashToken(initial)); err != nil {
				return err
			}
		}
		if err := e.store.CreateClient(ctx, c); err != nil {
			return err
		}
		return e.store.AddEvent(ctx, e.clientEvent(r, identity.ClientRegistered, c.ID))
	})
}

// initialToken returns the initial access token where registration asks for one; whether it is good is for create.
func (e *Endpoints) initialToken(r *http.Request) (string, error) {
	switch e.o.Registration {
	case registrationOpen:
		return "", nil
	case registrationToken:
		token := identity.Bearer(r.Header.Values("Authorization"))
		if token == "" {
			return "", errInitialToken
		}
		return token, nil
	default:
		return "", errRegistrationClosed
	}
}

// throttleRegistration counts well-formed registrations that nobody vouches for against where they come from, and together.
func (e *Endpoints) throttleRegistration(r *http.Request) error {
	if e.o.Registration != registrationOpen {
		return nil
	}
	return identity.RegisterDoor.Pass(r.Context(), e.o.SignIns.Store, addressOf(r), e.o.Now())
}

// settleSecret makes the client's secret fit its method: it returns a new one where one is needed and there is none yet,
// keeps one that is there, and forgets one that is of no use any more.
func (e *Endpoints) settleSecret(c *identity.Client) (secret string) {
	switch {
	case !c.UsesSecret():
		c.SecretHash = nil
	case len(c.SecretHash) == 0:
		secret = identity.RandomText(32)
		c.SecretHash = e.o.Keys.HashSecret(secret)
	}
	return secret
}

// informationOf tells a developer everything about a client as it is registered. Our silent default takes a secret in
// the header and in the body; the one word that RFC 7591 §2 has for it is client_secret_basic.
func (e *Endpoints) informationOf(c identity.Client, secret, access string) registered {
	info := registered{
		ClientID: c.ID, IssuedAt: c.CreatedAt.Unix(), Secret: secret, AccessToken: access,
		URI: e.o.Issuer + registerPath + "/" + c.ID, Metadata: c.Metadata,
	}
	if len(c.SecretHash) > 0 {
		info.SecretExpiresAt = new(int) // 0: never
	}
	if info.AuthMethod == "" {
		info.AuthMethod = methodBasic
	}
	return info
}

func (e *Endpoints) clientEvent(r *http.Request, kind identity.EventKind, clientID string) identity.Event {
	return identity.Event{
		ID: identity.NewID(), At: e.o.Now(), Kind: kind, ClientID: clientID, Address: addressOf(r),
	}
}

func addressOf(r *http.Request) string { return identity.SeenFrom(r.RemoteAddr, "").Address }

// registration serves GET, PUT and DELETE of /oauth2/register/{id} (RFC 7592 §2).
func (e *Endpoints) registration(w http.ResponseWriter, r *http.Request) {
	answer, err := e.manage(w, r)
	switch {
	case err != nil:
		e.refuse(w, r, atRegister, byMember(err))
	case answer.ClientID == "":
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	default:
		e.writeJSON(w, http.StatusOK, answer)
	}
}

func (e *Endpoints) manage(w http.ResponseWriter, r *http.Request) (registered, error) {
	switch r.Method {
	case http.MethodGet, http.MethodPut, http.MethodDelete:
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE, OPTIONS")
		return registered{}, sayf(methodNotAllowed, "Use GET, PUT or DELETE.")
	}
	token := identity.Bearer(r.Header.Values("Authorization"))
	c, err := e.managedBy(r.Context(), path.Base(r.URL.Path), token)
	if err != nil {
		return registered{}, err
	}
	switch r.Method {
	case http.MethodPut:
		return e.update(w, r, c)
	case http.MethodDelete:
		return registered{}, e.remove(r, c)
	default:
		return e.informationOf(c, "", token), nil
	}
}

// managedBy returns a client whose registration access token is presented. The newest one's first use forgets the one
// before; until then both are good, so that a lost answer to an update locks nobody out. It reads in a transaction, past
// the cache: a token that another replica gave out a moment ago is good here.
func (e *Endpoints) managedBy(ctx context.Context, id, token string) (c identity.Client, err error) {
	err = e.store.InTx(ctx, func(ctx context.Context) error {
		if c, err = e.clientByID(ctx, id); err != nil && identity.KindOf(err) != identity.NotFound {
			return err
		}
		ok, newest := c.ManagedBy(token)
		switch {
		case !ok:
			return errManagement
		case newest && len(c.PreviousHash) > 0:
			return e.store.ConfirmRegistrationToken(ctx, c.ID, c.RegistrationHash)
		}
		return nil
	})
	return c, err
}

// update replaces all of a client's metadata (RFC 7592 §2.2) and rotates its registration access token. The token that
// was presented stays good until the new one is used. Of several updates that found the client the same one is made; the
// others hear 409.
func (e *Endpoints) update(w http.ResponseWriter, r *http.Request, c identity.Client) (registered, error) {
	asked, err := readRegistration(w, r)
	if err != nil {
		return registered{}, err
	}
	if asked.credentials.ClientID != c.ID {
		return registered{}, identity.RefuseField("client_id", "Send the client_id of this client: an update repeats it.")
	}
	if secret := asked.credentials.Secret; secret != "" && !e.secretMatches(secret, c) {
		return registered{}, identity.RefuseField("client_secret", "Send the current one, or leave it out: it cannot be chosen.")
	}
	left, err := e.retake(r.Context(), &c, asked.Metadata)
	if err != nil {
		return registered{}, err
	}
	access, hash := identity.NewManagementToken()
	read := c.RegistrationHash
	c.RegistrationHash, c.PreviousHash = hash, identity.HashToken(identity.Bearer(r.Header.Values("Authorization")))
	answer := e.informationOf(c, e.settleSecret(&c), access)
	answer.LeftOut = left
	return answer, e.store.InTx(r.Context(), func(ctx context.Context) error {
		if err := e.store.UpdateRegistration(ctx, c, read); err != nil {
			return err
		}
		return e.store.AddRepeat(ctx, e.clientEvent(r, identity.ClientUpdated, c.ID))
	})
}

// retake gives a client what an update asks for.
func (e *Endpoints) retake(ctx context.Context, c *identity.Client, asked identity.Metadata) (left []identity.LeftOut, err error) {
	before := c.Metadata
	if c.Metadata, left, err = e.take(asked); err != nil {
		return nil, err
	}
	if err := sameSubjects(before, c.Metadata); err != nil {
		return nil, err
	}
	return left, e.checkSector(ctx, c.Metadata)
}

// remove deletes a client: its Sessions end with it (RFC 7592 §2.3).
func (e *Endpoints) remove(r *http.Request, c identity.Client) error {
	return e.store.InTx(r.Context(), func(ctx context.Context) error {
		if err := e.store.DeleteClient(ctx, c.ID); err != nil {
			return err
		}
		return e.store.AddEvent(ctx, e.clientEvent(r, identity.ClientDeleted, c.ID))
	})
}

// protections are members of other specifications that make a client safer. A developer who asks for one relies on it, so
// it is refused rather than passed over; every other member that we do not know is (RFC 7591 §2).
var protections = []string{
	"tls_client_certificate_bound_access_tokens",
	"request_object_encryption_alg", "id_token_encrypted_response_alg",
	"userinfo_encrypted_response_alg", "authorization_signed_response_alg", "authorization_encrypted_response_alg",
	"introspection_encrypted_response_alg",
}

// registrationRequest is what a developer sends: metadata and, with an update, which client it is about (RFC 7592 §2.2).
// The other members of an answer that RFC 7592 forbids to send back are passed over.
type registrationRequest struct {
	identity.Metadata
	credentials struct {
		ClientID string `json:"client_id"`
		Secret   string `json:"client_secret"`
	}
}

// readRegistration reads a body of JSON and refuses, by name, members of the wrong type and those that this server cannot
// do justice to.
func readRegistration(w http.ResponseWriter, r *http.Request) (asked registrationRequest, err error) {
	body, err := readObject(w, r)
	if err != nil {
		return asked, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return asked, say(invalidMetadata, "Send one JSON object and nothing else.")
	}
	if name := twice(body); name != "" { // who judged the first would see the last one registered (RFC 8259 §4)
		return asked, sayf(invalidMetadata, "%s: Send it once.", name)
	}
	if given(members["software_statement"]) {
		return asked, say(unapprovedSoftware, "software_statement: None is accepted here. Send its claims as plain members.")
	}
	for _, name := range protections {
		if given(members[name]) && string(members[name]) != `"none"` { // an algorithm that protects nothing
			return asked, sayf(invalidMetadata, "%s: This server does not offer it. Leave it out.", name)
		}
	}
	// encoding/json would read REDIRECT_URIS as redirect_uris; to RFC 7591 it is a member that nobody knows.
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return !isMemberName(name) })
	if body, err = json.Marshal(members); err != nil {
		return asked, err
	}
	if err := fill(body, &asked.Metadata); err != nil {
		return asked, err
	}
	return asked, fill(body, &asked.credentials)
}

// readObject reads a JSON body of at most maxBody bytes. encoding/json itself refuses more than 10,000 levels.
func readObject(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, say(invalidRequest, "Send the metadata as application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, say(invalidRequest, "The body ended too early.")
	}
	if !utf8.Valid(body) { // RFC 8259 §8.1; encoding/json would silently put something else in place
		return nil, say(invalidMetadata, "Send JSON in UTF-8.")
	}
	return body, nil
}

// twice returns the first member that an object has two of.
func twice(object []byte) string {
	d, seen := json.NewDecoder(bytes.NewReader(object)), map[string]bool{}
	_, err := d.Token()
	for err == nil && d.More() {
		var name json.Token
		var value json.RawMessage
		if name, err = d.Token(); err != nil {
			break
		}
		text, _ := name.(string)
		if seen[text] {
			return text
		}
		seen[text], err = true, d.Decode(&value)
	}
	return ""
}

// given reports whether a member asks for something: null, false and empty text do not.
func given(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", "false", `""`:
		return false
	}
	return true
}

func isMemberName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' })
}

// fill decodes into v, and names the member whose type is wrong.
func fill(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && mistyped.Field != "" {
		name, _, _ := strings.Cut(mistyped.Field, ".")
		return byMember(identity.RefuseField(name, "The value has the wrong type: see RFC 7591 section 2."))
	}
	if err != nil {
		return say(invalidMetadata, "Send one JSON object and nothing else.")
	}
	return nil
}

// byMember spells the refusal of one member: its name begins the description (RFC 7591 §3.2.2 has a code for redirect
// URIs and one for all the rest).
func byMember(err error) error {
	refusal, ok := errors.AsType[*identity.Error](err)
	if !ok || refusal.Kind != identity.Invalid || refusal.Field == "" {
		return err
	}
	as := invalidMetadata
	if refusal.Field == "redirect_uris" {
		as = invalidRedirect
	}
	return say(as, refusal.Field+": "+refusal.Msg)
}
