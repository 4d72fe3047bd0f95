package identity

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// Resource is a resource server as its operator describes it: an API or an MCP server that access tokens can be for
// (RFC 8707).
type Resource struct {
	URI string // as the operator spells it: the aud of its tokens
	ResourceSettings
	CreatedAt time.Time     // when it was added last
	DeletedAt time.Time     // zero while it is there
	Epoch     int64         // how often it was added anew: what was granted under another one is void
	Longest   time.Duration // the longest lifetime that its access tokens ever had by AccessTTL: some may be about
}

// ResourceSettings are what an operator says of a resource but its URI, with the names of RFC 9728 §2 where it has one.
type ResourceSettings struct {
	Name       string            `json:"resource_name"`
	NameIn     map[string]string `json:"resource_name_in,omitempty"` // in other languages, by tag (BCP 47)
	Scopes     []ResourceScope   `json:"scopes,omitempty"`
	Open       bool              `json:"open"`                 // any app may ask people for it, not those alone that list it
	AccessTTL  int64             `json:"access_token_seconds"` // 0: the server's
	RequireMFA bool              `json:"require_mfa"`
	TokenType  string            `json:"token_type"` // at+jwt, or JWT for servers that refuse that
}

// ResourceScope is something that an app may do there, in the words that people read on the consent page.
type ResourceScope struct {
	Name    string            `json:"name"`
	Words   string            `json:"words"`
	WordsIn map[string]string `json:"words_in,omitempty"`
}

// The types of access tokens, as their typ says.
const (
	TokenATJWT = "at+jwt" // RFC 9068 §2.1
	TokenJWT   = "JWT"
)

// What there is at most (DESIGN law 13): people have to read it, and every authorization looks through it.
const (
	MaxResourceRows   = 1000 // deleted ones too, which are remembered
	maxResourceScopes = 50
	maxScopeName      = 100 // bytes
	maxWords          = 200 // characters
	maxLanguages      = 40
	maxAskedLanguages = 1000 // bytes of what a browser or an app says of them
	MaxResourceTTL    = time.Hour
)

// Mark names what was granted: the resource, and behind a #, which no resource's URI has (RFC 8707 §2), which of several
// that were added under one URI, one after the other.
func (r Resource) Mark() string {
	if r.Epoch == 0 {
		return r.URI
	}
	return r.URI + "#" + strconv.FormatInt(r.Epoch, 10)
}

// CutMark returns what a mark says; an epoch that no resource has, where that is none.
func CutMark(mark string) (uri string, epoch int64) {
	uri, text, marked := strings.Cut(mark, "#")
	if !marked {
		return uri, 0
	}
	if epoch, err := strconv.ParseInt(text, 10, 64); err == nil && epoch > 0 {
		return uri, epoch
	}
	return uri, -1
}

// UnmarkResources returns the URIs of what was granted.
func UnmarkResources(marks []string) (uris []string) {
	for _, mark := range marks {
		uri, _, _ := strings.Cut(mark, "#")
		uris = append(uris, uri)
	}
	return uris
}

// Described reports whether an operator described the resource: of others only the URI is known, from the client that lists it.
func (r Resource) Described() bool { return r.Name != "" }

// Offers reports whether a scope is one of the resource's.
func (r Resource) Offers(scope string) bool {
	return slices.ContainsFunc(r.Scopes, func(s ResourceScope) bool { return s.Name == scope })
}

// Lifetime is how long access tokens for the resource last where the server's do that long.
func (r Resource) Lifetime(server time.Duration) time.Duration {
	if r.AccessTTL == 0 {
		return server
	}
	return time.Duration(r.AccessTTL) * time.Second
}

// ResourceKey is what resources are told apart by: clients write scheme and host in either case, and leave out the slash at
// the end, or add one (RFC 3986 §6.2.2.1; RFC 8707 §2 lets a server map what was asked to the audience). Everything else
// counts: another path may be another party's server.
func ResourceKey(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return uri
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.RawQuery == "" && !u.ForceQuery {
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	}
	return u.String()
}

// In returns what people read whose languages are these, the best first: name, and words of each scope.
func (r Resource) In(languages string) (name string, words map[string]string) {
	words = map[string]string{}
	for _, s := range r.Scopes {
		words[s.Name] = inLanguage(languages, s.Words, s.WordsIn)
	}
	return inLanguage(languages, r.Name, r.NameIn), words
}

// inLanguage picks a text by a list of languages as Accept-Language has it (RFC 9110 §12.5.4); the one of no language where
// none is wanted that there is.
func inLanguage(languages, plain string, in map[string]string) string {
	if len(in) == 0 || len(languages) > maxAskedLanguages {
		return plain
	}
	known := slices.DeleteFunc(strings.Split(languages, ","), func(one string) bool {
		_, _, err := language.ParseAcceptLanguage(one) // refuses a whole list for one that there is not
		return err != nil
	})
	wanted, _, err := language.ParseAcceptLanguage(strings.Join(known, ","))
	if err != nil {
		return plain
	}
	names := slices.Sorted(maps.Keys(in))
	tags := []language.Tag{language.English} // as the rest of the page; unless English words were given too
	if _, given := in["en"]; given {
		tags[0] = language.Und
	}
	for _, name := range names {
		tags = append(tags, language.Make(name))
	}
	_, i, sure := language.NewMatcher(tags).Match(wanted...)
	if i == 0 || sure == language.No {
		return plain
	}
	return in[names[i-1]]
}

// CleanResource judges what an operator says of a resource, and returns it with defaults filled in. Refusals: Invalid with
// the field that is wrong.
func CleanResource(r Resource) (Resource, error) {
	if err := CheckResource(r.URI); err != nil {
		return r, RefuseField("resource", err.Error())
	}
	for _, clean := range []func(*ResourceSettings) error{cleanResourceTexts, cleanResourceScopes, cleanResourceTokens} {
		if err := clean(&r.ResourceSettings); err != nil {
			return r, err
		}
	}
	return r, nil
}

func cleanResourceTexts(s *ResourceSettings) (err error) {
	s.Name = strings.TrimSpace(s.Name)
	if !readable(s.Name, maxClientName) {
		return RefuseField("resource_name", "Give the resource a name that people know it by, of at most 100 characters on one line.")
	}
	s.NameIn, err = cleanTranslations("resource_name_in", s.NameIn, maxClientName)
	return err
}

// readable reports whether people can read a text: something to see, on one line and in one direction, not too long.
func readable(text string, most int) bool {
	return plain(text) && visible(text) && utf8.RuneCountInString(text) <= most
}

// cleanTranslations spells the tags of languages as BCP 47 does.
func cleanTranslations(field string, in map[string]string, most int) (map[string]string, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > maxLanguages {
		return nil, RefuseField(field, fmt.Sprintf("Use at most %d languages.", maxLanguages))
	}
	clean := make(map[string]string, len(in))
	for name, text := range in {
		tag, err := language.Parse(name)
		if err != nil || tag == language.Und {
			return nil, RefuseField(field, fmt.Sprintf("%q is no language: use a tag such as de or pt-BR.", name))
		}
		if text = strings.TrimSpace(text); !readable(text, most) {
			return nil, RefuseField(field, fmt.Sprintf("Use a readable text on one line of at most %d characters for %s.", most, tag))
		}
		clean[tag.String()] = text
	}
	return clean, nil
}

func cleanResourceScopes(s *ResourceSettings) (err error) {
	if len(s.Scopes) > maxResourceScopes {
		return RefuseField("scopes", fmt.Sprintf("Use at most %d scopes.", maxResourceScopes))
	}
	s.Scopes = slices.Clone(s.Scopes)
	seen := map[string]bool{}
	for i, scope := range s.Scopes {
		names, err := cleanAnyScope(scope.Name)
		switch {
		case err != nil || names != scope.Name || names == "" || strings.Contains(names, " ") || len(names) > maxScopeName:
			return RefuseField("scopes", fmt.Sprintf("%q is no scope: use at most %d visible ASCII characters but no quotes and backslashes.",
				scope.Name, maxScopeName))
		case slices.Contains(Scopes, names):
			return RefuseField("scopes", names+" is a scope of this server itself. Choose another name.")
		case seen[names]:
			return RefuseField("scopes", names+" is there twice.")
		}
		seen[names] = true
		if scope.Words = strings.TrimSpace(scope.Words); !readable(scope.Words, maxWords) {
			return RefuseField("scopes", fmt.Sprintf("Say in words on one line of at most %d characters what %s lets an app do, like: Read your notes.",
				maxWords, names))
		}
		if scope.WordsIn, err = cleanTranslations("scopes", scope.WordsIn, maxWords); err != nil {
			return err
		}
		s.Scopes[i] = scope
	}
	return nil
}

func cleanResourceTokens(s *ResourceSettings) error {
	if s.TokenType == "" {
		s.TokenType = TokenATJWT
	}
	if s.TokenType != TokenATJWT && s.TokenType != TokenJWT {
		return RefuseField("token_type", "Use at+jwt, or JWT where a resource server refuses that.")
	}
	ttl := time.Duration(s.AccessTTL) * time.Second
	if s.AccessTTL != 0 && (s.AccessTTL < 60 || s.AccessTTL > int64(MaxResourceTTL/time.Second)) {
		return RefuseField("access_token_seconds", fmt.Sprintf("Access tokens last from 1m to 1h, not %v.", ttl))
	}
	return nil
}

// Patched returns the settings with a JSON merge patch (RFC 7396) on top, as ClientSettings.Patched does.
func (s ResourceSettings) Patched(patch map[string]json.RawMessage) (ResourceSettings, error) {
	return patched(s, patch, ResourceSettingNames, "There is no such setting of a resource.")
}
