package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// reply is how one surface spells a kind of refusal: the error code, and the status where it is not a redirect.
type reply struct {
	code   string
	status int
}

// replies are the answers of the surfaces.
type replies struct {
	token     reply // token, revocation, introspection: RFC 6749 §5.2
	authorize reply // RFC 6749 §4.1.2.1, OpenID Connect Core 1.0 §3.1.2.6
	register  reply // RFC 7591 §3.2.2, RFC 7592 §2
	app       reply // userinfo and /me, behind an access token: RFC 6750 §3.1
}

// surface picks one of the answers.
type surface func(replies) reply

func atToken(r replies) reply     { return r.token }
func atAuthorize(r replies) reply { return r.authorize }
func atRegister(r replies) reply  { return r.register }
func atApp(r replies) reply       { return r.app }

// table says what every kind of refusal is called on every surface. What an app should do follows from the code: actions.
var table = map[identity.Kind]replies{
	identity.Internal:    {token: serverError, authorize: serverError, register: serverError, app: serverError},
	identity.Invalid:     {token: invalidRequest, authorize: invalidRequest, register: invalidMetadata, app: invalidRequest},
	identity.BadLogin:    {token: invalidGrant, authorize: loginRequired, register: invalidToken, app: invalidToken},
	identity.SignInAgain: {token: invalidGrant, authorize: loginRequired, register: invalidToken, app: invalidToken},
	identity.Forbidden:   {token: invalidGrant, authorize: accessDenied, register: accessDenied, app: accessDenied},
	identity.NotFound:    {token: invalidGrant, authorize: invalidRequest, register: invalidToken, app: notFound}, // RFC 7592 §2.1: 401, not 404
	identity.Conflict:    {token: invalidGrant, authorize: invalidRequest, register: conflict, app: conflict},
	identity.Throttled:   {token: tooOften, authorize: tooOften, register: tooOften, app: tooOften},
	identity.Unavailable: {token: unavailable, authorize: unavailable, register: unavailable, app: unavailable},
	identity.Busy:        {token: unavailable, authorize: unavailable, register: unavailable, app: unavailable},
	identity.NoProof:     {token: invalidProof, authorize: invalidRequest, register: invalidProof, app: invalidProof}, // RFC 9449 §5, §7.1
}

// The words of the protocol, each with the status that it usually has.
var (
	// RFC 6749 §4.1.2.1, §5.2
	invalidRequest          = reply{"invalid_request", 400}
	invalidClient           = reply{"invalid_client", 401}
	invalidGrant            = reply{"invalid_grant", 400}
	unauthorizedClient      = reply{"unauthorized_client", 400}
	unsupportedGrantType    = reply{"unsupported_grant_type", 400}
	unsupportedResponseType = reply{"unsupported_response_type", 400}
	invalidScope            = reply{"invalid_scope", 400}
	accessDenied            = reply{"access_denied", 403}
	serverError             = reply{"server_error", 500}
	unavailable             = reply{"temporarily_unavailable", 503}
	tooOften                = reply{"temporarily_unavailable", 429}

	// OpenID Connect Core 1.0 §3.1.2.6
	loginRequired            = reply{"login_required", 400}
	interactionRequired      = reply{"interaction_required", 400}
	unmetRequirements        = reply{"unmet_authentication_requirements", 400} // its own specification, 1.0
	consentRequired          = reply{"consent_required", 400}
	invalidRequestObject     = reply{"invalid_request_object", 400}
	invalidRequestURI        = reply{"invalid_request_uri", 400}
	registrationNotSupported = reply{"registration_not_supported", 400}

	refusedByHook      = reply{"access_denied", 400}                 // at the token endpoint, as of RFC 8628 §3.5
	invalidTarget      = reply{"invalid_target", 400}                // RFC 8707 §2
	invalidProof       = reply{"invalid_dpop_proof", 400}            // RFC 9449 §5
	useNonce           = reply{"use_dpop_nonce", 400}                // RFC 9449 §8
	invalidToken       = reply{"invalid_token", 401}                 // RFC 6750 §3.1
	insufficientScope  = reply{"insufficient_scope", 403}            // RFC 6750 §3.1
	invalidMetadata    = reply{"invalid_client_metadata", 400}       // RFC 7591 §3.2.2
	invalidRedirect    = reply{"invalid_redirect_uri", 400}          // RFC 7591 §3.2.2
	unapprovedSoftware = reply{"unapproved_software_statement", 400} // RFC 7591 §3.2.2

	// What HTTP says better than any word of theirs (RFC 9110 §15.5)
	methodNotAllowed   = reply{"invalid_request", 405}
	bodyTooLarge       = reply{"invalid_request", 413}
	unsupportedMedia   = reply{"invalid_request", 415}
	notFound           = reply{"not_found", 404}
	conflict           = reply{"conflict", 409}
	preconditionFailed = reply{"precondition_failed", 412}
)

// What an app is told to do (DESIGN law 7).
const (
	actRetry = "retry" // keep everything, ask again: waiting helps, or a new proof
	actLogin = "login" // what the app holds is over: the person signs in again
	actStop  = "stop"  // keep everything: neither waiting nor the person helps, a developer or an operator does
)

// actions say what an app does about an error code where the error itself says nothing else. A mistake in the app's
// request or registration is no reason to sign anyone out: what the app holds stays good until the mistake is mended.
// Registration and what is behind an access token keep no session of their own, so their codes have none; 401 there means
// to refresh, and the token endpoint says the rest.
var actions = map[string]string{
	"invalid_grant":           actLogin,
	"server_error":            actRetry,
	"temporarily_unavailable": actRetry,
	"use_dpop_nonce":          actRetry,
	"invalid_request":         actStop,
	"invalid_request_object":  actStop,
	"invalid_request_uri":     actStop,
	"invalid_client":          actStop,
	"invalid_scope":           actStop,
	"invalid_target":          actStop,
	"unauthorized_client":     actStop,
	"unsupported_grant_type":  actStop,
	"invalid_dpop_proof":      actStop,
}

// protocolError is a refusal in the protocol's own words: the error type of this package, beside identity.Error for what
// the domain refuses.
type protocolError struct {
	reply
	description string        // for developers, of printable ASCII
	action      string        // where it is another than that of its code
	wait        time.Duration // of a retry
	message     string        // for people, in any letters; mostly none
}

// Error names the code and says why.
func (e *protocolError) Error() string { return e.code + ": " + e.description }

// say makes an error of as, with a description.
func say(as reply, description string) error {
	return &protocolError{reply: as, description: description}
}

// again makes an error of as that the same request heals after wait, with another proof where it carries one.
func again(as reply, wait time.Duration, description string) error {
	return &protocolError{reply: as, description: description, action: actRetry, wait: wait}
}

func sayf(as reply, format string, args ...any) error { return say(as, fmt.Sprintf(format, args...)) }

// verdict is an error as a program is told it.
type verdict struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Action      string `json:"action,omitempty"`  // retry, login or stop
	Message     string `json:"message,omitempty"` // for people: what the operator's own program says
	status      int
	wait        time.Duration // of a retry
}

// passing reports whether the trouble goes away by itself.
func (v verdict) passing() bool {
	return v.status >= http.StatusInternalServerError || v.status == http.StatusTooManyRequests
}

const (
	// awayWait is when to ask again while the database is away: soon, a phone is waiting.
	awayWait = 2 * time.Second
	trouble  = "Something went wrong here. The same request may be sent again."
	offline  = "The service is briefly unavailable. Send the same request again; nothing was lost."
)

// judge spells an error for a surface. What the domain refuses wins over whatever is wrapped around it: a database that is
// away is never invalid_client, or phones would sign out.
func (s surface) judge(err error) verdict {
	kind := identity.KindOf(err)
	v := verdict{Description: trouble, wait: awayWait}
	spelt := s(table[kind])
	refusal, told := errors.AsType[*identity.Error](err)
	own, spoken := errors.AsType[*protocolError](err)
	switch {
	case told && kind != identity.Internal:
		v.Description, v.wait = refusal.Msg, max(refusal.Wait, awayWait)
	case kind == identity.Unavailable:
		v.Description = offline
	case spoken:
		spelt, v.Description, v.Message = own.reply, own.description, own.message
	}
	v.Code, v.status, v.Action = spelt.code, spelt.status, actions[spelt.code]
	switch {
	case v.Code == useNonce.code || errors.Is(err, errReplayed):
		v.Action, v.wait = actRetry, 0 // a new proof is all that it takes
	case spoken && spelt == own.reply && own.action != "":
		v.Action, v.wait = own.action, own.wait
	}
	v.Description = describable(v.Description)
	return v
}

// describable keeps to the characters that RFC 6749 §5.2 allows in error_description.
func describable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, s)
}

// refuse writes an error as JSON, and logs it when it is a fault of ours.
func (e *Endpoints) refuse(w http.ResponseWriter, r *http.Request, s surface, err error) {
	v := s.judge(err)
	if v.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", e.challenge(v))
	}
	e.tell(w, r, v, err)
}

// tell writes a verdict.
func (e *Endpoints) tell(w http.ResponseWriter, r *http.Request, v verdict, err error) {
	e.note(r.Context(), v, err)
	if v.Action == actRetry {
		w.Header().Set("Retry-After", identity.RetryAfter(v.wait))
	}
	e.writeJSON(w, v.status, v)
}

// challenge is WWW-Authenticate for a 401: RFC 6749 §5.2 for clients, RFC 6750 §3 for bearers.
func (e *Endpoints) challenge(v verdict) string {
	if v.Code == "invalid_client" {
		return `Basic realm="` + e.o.Issuer + `", charset="UTF-8"`
	}
	return `Bearer realm="` + e.o.Issuer + `", error="` + v.Code + `", error_description="` + v.Description + `"`
}

// note leaves the error in the request's trail, and in the log with its cause when it is a fault of ours.
func (e *Endpoints) note(ctx context.Context, v verdict, err error) {
	identity.TrailOf(ctx).Refusal = v.Code
	if v.status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		e.o.Log.ErrorContext(ctx, "request failed", "code", v.Code, "error", err)
	}
}
