package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// ClientSettings is all that an operator says of a client but its id and its secrets: what a registration may say, and what
// only operators give.
type ClientSettings struct {
	Trusted       bool  `json:"trusted"`
	TrustedNative bool  `json:"trusted_native"`
	Idle          int64 `json:"session_idle_seconds"` // 0: the server's
	Absolute      int64 `json:"session_absolute_seconds"`
	Metadata
}

// Settings are what an operator may say of the client.
func (c Client) Settings() ClientSettings {
	return ClientSettings{
		c.Trusted, c.TrustedNative, int64(c.Lives.Idle / time.Second), int64(c.Lives.Absolute / time.Second), c.Metadata,
	}
}

// With returns the client with these settings.
func (c Client) With(s ClientSettings) Client {
	c.Trusted, c.TrustedNative, c.Metadata = s.Trusted, s.TrustedNative, s.Metadata
	c.Lives = Lifetimes{Idle: time.Duration(s.Idle) * time.Second, Absolute: time.Duration(s.Absolute) * time.Second}
	return c
}

// SettingNames are the members of ClientSettings as JSON spells them. What a client says of the device that it was
// installed on is none: it alone knows.
var SettingNames = namesOf(reflect.TypeFor[ClientSettings]())

// ResourceSettingNames are those of ResourceSettings.
var ResourceSettingNames = namesOf(reflect.TypeFor[ResourceSettings]())

func namesOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Type == reflect.TypeFor[Device]():
		case field.Anonymous:
			names = append(names, namesOf(field.Type)...)
		default:
			names = append(names, name)
		}
	}
	return names
}

// Patched returns the settings with a JSON merge patch (RFC 7396) on top: a member that is there takes the place of the one
// before, lists whole; null takes it back to its default. Refusals: Invalid, with the member that is unknown or mistyped.
func (s ClientSettings) Patched(patch map[string]json.RawMessage) (ClientSettings, error) {
	return patched(s, patch, SettingNames, "There is no such setting of a client.")
}

func patched[T any](s T, patch map[string]json.RawMessage, names []string, unknown string) (after T, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return after, err
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &members); err != nil {
		return after, err
	}
	for name, value := range patch {
		if !slices.Contains(names, name) {
			return after, RefuseField(name, unknown)
		}
		if members[name] = value; string(value) == "null" {
			delete(members, name)
		}
	}
	if text, err = json.Marshal(members); err != nil {
		return after, err
	}
	err = json.Unmarshal(text, &after)
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return after, RefuseField(mistyped.Field[strings.LastIndex(mistyped.Field, ".")+1:], "The value has the wrong type.")
	}
	return after, err
}

// changedTo names the settings that differ.
func (s ClientSettings) changedTo(after ClientSettings) []string {
	return differing(s, after, SettingNames)
}

func differing[T any](before, after T, all []string) (names []string) {
	is, was := membersOf(after), membersOf(before)
	for _, name := range all {
		if !reflect.DeepEqual(is[name], was[name]) {
			names = append(names, name)
		}
	}
	return names
}

func membersOf(s any) (members map[string]any) {
	text, _ := json.Marshal(s) // cannot fail: its keys are JSON that was read
	_ = json.Unmarshal(text, &members)
	return members
}

// UsesSecret reports whether the client proves itself by a secret.
func (c Client) UsesSecret() bool { return c.AuthMethod != "none" && c.AuthMethod != "private_key_jwt" }

// cleanClient applies the rules that registration has too, except that an operator may give any scope and resource, and that
// usualIDTokens says how ID tokens are signed.
func (o Operators) cleanClient(c Client) (clean Client, err error) {
	if c.FromDocument() {
		return c, checkLives(c.Lives)
	}
	if c.ID == "" || len(c.ID) > 64 || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return clean, RefuseField("client_id", "Use 1 to 64 visible ASCII characters.")
	}
	if err := checkLives(c.Lives); err != nil {
		return clean, err
	}
	if clean.Metadata, err = o.cleanMetadata(c); err != nil {
		return clean, err
	}
	if clean.JWKS != nil {
		if o.CleanKeys == nil {
			return clean, RefuseField("jwks", "No keys are taken here.")
		}
		if clean.JWKS, err = o.CleanKeys(clean.JWKS); err != nil {
			return clean, err
		}
	}
	c.Metadata = clean.Metadata
	switch {
	case !c.UsesSecret():
		c.SecretHash, c.FormerSecret, c.FormerUntil = nil, nil, time.Time{}
	case len(c.SecretHash) == 0:
		return c, RefuseField("client_secret", "The client needs a secret: its token_endpoint_auth_method proves it by one.")
	}
	return c, nil
}

func checkLives(l Lifetimes) error {
	for field, d := range map[string]time.Duration{"session_idle_seconds": l.Idle, "session_absolute_seconds": l.Absolute} {
		if d != 0 && d < time.Minute {
			return RefuseField(field, "That is too short: at least a minute.")
		}
	}
	return nil
}

// givenByOperators are the settings that a client never says itself.
var givenByOperators = []string{"trusted", "trusted_native", "session_idle_seconds", "session_absolute_seconds"}

// checkPublished refuses to change what a client publishes of itself: the next reading would bring it back.
func checkPublished(before, after Client) error {
	if !before.FromDocument() {
		return nil
	}
	for _, name := range before.Settings().changedTo(after.Settings()) {
		if !slices.Contains(givenByOperators, name) {
			return RefuseField(name, "The app says that itself, in the document at its client_id.")
		}
	}
	return nil
}

// usualIDTokens says how ID tokens are signed where the operator did not. Programs that sign people in by a secret are somebody
// else's, and many take nothing but RS256, the default of OpenID Connect Core 1.0 §3.1.3.7; some fail at a refresh without one.
// Apps of one's own get ES256: an RSA signature is over half of what a code exchange costs.
func (m *Metadata) usualIDTokens(bySecret bool) {
	switch {
	case m.IDTokenAlg != "":
	case bySecret && len(m.RedirectURIs) > 0:
		m.IDTokenAlg, m.IDTokenOnRefresh = "RS256", cmp.Or(m.IDTokenOnRefresh, new(true))
	default:
		m.IDTokenAlg = "ES256"
	}
}

// cleanMetadata is CleanRegistration for what an operator says.
func (o Operators) cleanMetadata(c Client) (Metadata, error) {
	m := c.Metadata
	if m.ApplicationType == webApp && slices.ContainsFunc(m.RedirectURIs, ofAnApp) {
		return m, RefuseField("redirect_uris", "Use https, or http on loopback. A scheme of the app's own needs application_type native.")
	}
	m.usualIDTokens(c.UsesSecret())
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{GrantTypeCode, GrantTypeRefresh}
	}
	scope, err := cleanAnyScope(m.Scope)
	if err != nil {
		return m, err
	}
	asked := m
	m.Scope = ""
	if m, err = (ways{o.Schemes, c.SelfRegistered}).clean(m); err != nil {
		return m, err
	}
	if slices.ContainsFunc(asked.GrantTypes, func(grant string) bool { return !m.allows(grant) }) {
		return m, RefuseField("grant_types", "Use authorization_code, with refresh_token if you like, or client_credentials.")
	}
	if err := m.CheckAlgs(SigningKeys{Algs: o.Algs}.Published()); err != nil {
		return m, err
	}
	m.Scope = cmp.Or(scope, m.Scope)
	m.Resources, err = CleanResources(asked.Resources)
	return m, err
}

func (m Metadata) allows(grant string) bool { return slices.Contains(m.GrantTypes, grant) }

// cleanAnyScope reads scopes of any name (RFC 6749 §3.3).
func cleanAnyScope(scope string) (string, error) {
	names := SplitScope(scope)
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	for _, name := range names {
		if strings.ContainsFunc(name, odd) {
			return "", RefuseField("scope", fmt.Sprintf("%q is no scope: use visible ASCII characters but no quotes and backslashes.", name))
		}
	}
	return strings.Join(names, " "), nil
}

// UpdateClient changes a client: change gets it as it is, under its lock, and may refuse. It ends nothing, except that a
// client that is trusted no more loses its Sessions: they hold what no person was asked for, and so does one that knows people
// by other subjects from now on: a person would be two to it. Everything else is judged when
// it is used, for clients that registered themselves too: a consent is for what its page showed, a code for a redirect URI
// that is still there, a refresh token for a grant type and a proof that still are. changed names what differs; nothing is
// written where nothing does. Refusals: NotFound, Invalid with the field that is wrong, and change's own.
func (o Operators) UpdateClient(
	ctx context.Context, id string, change func(Client) (Client, error),
) (after Client, changed []string, err error) {
	return after, changed, o.Store.InTx(ctx, func(ctx context.Context) error {
		before, err := o.Store.LockClient(ctx, id)
		if err != nil {
			return err
		}
		if after, err = change(before); err != nil {
			return err
		}
		if err := checkPublished(before, after); err != nil {
			return err
		}
		if after, err = o.cleanClient(after); err != nil {
			return err
		}
		changed = before.Settings().changedTo(after.Settings())
		if !slices.Equal(before.SecretHash, after.SecretHash) {
			changed = append(changed, "secret")
		}
		if len(changed) == 0 {
			return nil
		}
		if err := o.Store.UpdateClient(ctx, after); err != nil {
			return err
		}
		if before.Trusted && !after.Trusted || before.Sector() != after.Sector() {
			if _, err := o.Store.End(ctx, Ending{Client: id, Cause: EndClientChanged}); err != nil {
				return err
			}
		}
		return o.tell(ctx, Event{Kind: ClientUpdated, ClientID: id, Detail: strings.Join(changed, ", ")})
	})
}

// AddClient adds a client and returns it as it was added, with defaults filled in. Refusals: Invalid with the field that is
// wrong, Conflict when its id is taken.
func (o Operators) AddClient(ctx context.Context, c Client) (Client, error) {
	c, err := o.cleanClient(c)
	if err != nil {
		return Client{}, err
	}
	c.CreatedAt = o.Now()
	c.Epoch = c.CreatedAt.UnixMicro()
	return c, o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.CreateClient(ctx, c); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ClientRegistered, ClientID: c.ID})
	})
}

// DisableClient keeps a client from everything and ends its Sessions; false when it was disabled already.
func (o Operators) DisableClient(ctx context.Context, id string) (changed bool, err error) {
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		if changed, err = o.Store.SetClientDisabled(ctx, id, o.Now()); err != nil {
			return err
		}
		if _, err := o.Store.End(ctx, Ending{Client: id, Cause: EndClientOff}); err != nil || !changed {
			return err
		}
		return o.tell(ctx, Event{Kind: ClientDisabled, ClientID: id})
	})
	return changed, err
}

// EnableClient lets a disabled client be used again. It resurrects nothing.
func (o Operators) EnableClient(ctx context.Context, id string) (changed bool, err error) {
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		changed, err = o.Store.SetClientDisabled(ctx, id, time.Time{})
		if err != nil || !changed {
			return err
		}
		return o.tell(ctx, Event{Kind: ClientEnabled, ClientID: id})
	})
	return changed, err
}

// The bounds of CheckClientSecret and RotateSecret.
const (
	MinClientSecret = 8 // characters
	MaxOverlap      = 30 * 24 * time.Hour
)

// NewClientSecret is what RotateSecret makes of a client's secret.
type NewClientSecret struct {
	ClientID, Secret string
	Overlap          time.Duration // how long the one before stays good: zero ends it at once
}

// CheckClientSecret refuses a secret that is too short, as Invalid in the field that it came in.
func CheckClientSecret(field, secret string) error {
	if len(secret) < MinClientSecret {
		return RefuseField(field, "The secret is too short: at least 8 characters, better the output of openssl rand -hex 32.")
	}
	return nil
}

// RotateSecret gives a client another secret and ends nothing: its Sessions go on. Refusals: NotFound (no such client, or
// it has no secret), Invalid (fields secret and overlap).
func (o Operators) RotateSecret(ctx context.Context, keys *Keyring, n NewClientSecret) error {
	if err := CheckClientSecret("secret", n.Secret); err != nil {
		return err
	}
	if n.Overlap < 0 || n.Overlap > MaxOverlap {
		return RefuseField("overlap", "Let the secret before stay good for 0 to 30 days.")
	}
	until := o.Now().Add(n.Overlap)
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.RotateSecret(ctx, n.ClientID, keys.HashSecret(n.Secret), until); err != nil {
			return err
		}
		return o.tell(ctx, Event{
			Kind: ClientUpdated, ClientID: n.ClientID, Detail: "secret, the one before is good until " + until.Format(time.DateTime),
		})
	})
}

// DeleteClient removes a client with all that rests on it. One that publishes what it says of itself would come back by
// itself, so it stays away until EnableClient.
func (o Operators) DeleteClient(ctx context.Context, id string) error {
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		c, err := o.Store.LockClient(ctx, id)
		if err != nil {
			return err
		}
		remove := o.Store.DeleteClient
		if c.FromDocument() {
			remove = o.Store.RetireClient
		}
		if err := remove(ctx, id); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ClientDeleted, ClientID: id})
	})
}
