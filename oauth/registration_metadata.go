package oauth

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// The error codes of RFC 7591 §3.2.2.
var (
	errMetadata = &fosite.RFC6749Error{ErrorField: "invalid_client_metadata", CodeField: http.StatusBadRequest}
	errRedirect = &fosite.RFC6749Error{ErrorField: "invalid_redirect_uri", CodeField: http.StatusBadRequest}
	errSoftware = &fosite.RFC6749Error{ErrorField: "unapproved_software_statement", CodeField: http.StatusBadRequest}
)

// protections are members of other specifications that make a client safer. A developer who asks for one relies on it, so
// it is refused rather than passed over; every other member that we do not know is (RFC 7591 §2).
var protections = []string{
	"sector_identifier_uri", "tls_client_certificate_bound_access_tokens",
	"require_pushed_authorization_requests", "require_signed_request_object", "request_object_signing_alg",
	"request_object_encryption_alg", "id_token_encrypted_response_alg", "userinfo_signed_response_alg",
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
		return asked, say(errMetadata, "Send one JSON object and nothing else.")
	}
	if given(members["software_statement"]) {
		return asked, say(errSoftware, "software_statement: None is accepted here. Send its claims as plain members.")
	}
	for _, name := range protections {
		if given(members[name]) {
			return asked, sayf(errMetadata, "%s: This server does not offer it. Leave it out.", name)
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
		return nil, say(fosite.ErrInvalidRequest, "Send the metadata as application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, say(fosite.ErrInvalidRequest, "The body ended too early.")
	}
	if !utf8.Valid(body) { // RFC 8259 §8.1; encoding/json would silently put something else in place
		return nil, say(errMetadata, "Send JSON in UTF-8.")
	}
	return body, nil
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
		return say(errMetadata, "Send one JSON object and nothing else.")
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
	as := errMetadata
	if refusal.Field == "redirect_uris" {
		as = errRedirect
	}
	return say(as, refusal.Field+": "+refusal.Msg)
}
