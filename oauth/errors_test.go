package oauth

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestTable_holdsEveryKind(t *testing.T) {
	t.Parallel()
	for _, kind := range identity.Kinds {
		r, ok := table[kind]
		if !ok {
			t.Errorf("kind %d is missing", kind)
		}
		for _, spelt := range []reply{r.token, r.authorize, r.register, r.app} {
			if spelt.code == "" || spelt.status < 400 {
				t.Errorf("kind %d is answered %+v", kind, spelt)
			}
		}
		if actions[r.token.code] == "" {
			t.Errorf("kind %d is answered %+v, and no app knows what to do", kind, r.token)
		}
	}
}

// Every word that a refusal can have is in the one list or the other.
func TestActions_areDecidedForEveryCode(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"invalid_grant": "login",
		"server_error":  "retry", "temporarily_unavailable": "retry", "use_dpop_nonce": "retry",
		"invalid_request": "stop", "invalid_client": "stop", "invalid_scope": "stop", "invalid_target": "stop",
		"unauthorized_client": "stop", "unsupported_grant_type": "stop", "invalid_dpop_proof": "stop",
		"invalid_request_object": "stop", "invalid_request_uri": "stop", // of a push
	}
	none := []string{
		// what an app is told at its redirect URI, where no token is at stake
		"unsupported_response_type", "access_denied", "login_required", "interaction_required", "consent_required",
		"unmet_authentication_requirements",
		"registration_not_supported",
		// registration
		"invalid_client_metadata", "invalid_redirect_uri", "unapproved_software_statement",
		// behind an access token: 401 means to refresh, and the token endpoint says the rest
		"invalid_token", "insufficient_scope", "not_found", "conflict", "precondition_failed",
	}
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`reply\{"([a-z_]+)"`).FindAllSubmatch(source, -1)
	if len(codes) < len(want)+len(none) {
		t.Fatalf("%d codes were found", len(codes))
	}
	for _, found := range codes {
		code := string(found[1])
		if action := actions[code]; action != want[code] || (action == "") != slices.Contains(none, code) {
			t.Errorf("%s has action %q, want %q", code, action, want[code])
		}
	}
}

func TestJudge_aDatabaseThatIsAwayIsNeverInvalidClient(t *testing.T) {
	t.Parallel()
	wrapped := fosite.ErrInvalidClient.WithWrap(fmt.Errorf("read client: %w", identity.ErrUnavailable)).WithDebug("secret")
	for _, s := range []surface{atToken, atAuthorize, atRegister} {
		if v := s.judge(inOurWords(wrapped)); v.Code != "temporarily_unavailable" || v.status != 503 || v.Action != "retry" || v.wait <= 0 {
			t.Errorf("answered %+v", v)
		}
	}
}

// fosite invents error codes that no RFC knows, and tells what it was doing.
func TestInOurWords_onlyKnownCodesLeave(t *testing.T) {
	t.Parallel()
	known := []string{"invalid_request", "invalid_scope", "unsupported_response_type", "server_error"}
	for _, err := range []*fosite.RFC6749Error{
		fosite.ErrRequestUnauthorized, fosite.ErrRequestForbidden, fosite.ErrInvalidRequest,
		fosite.ErrUnauthorizedClient, fosite.ErrAccessDenied, fosite.ErrUnsupportedResponseType,
		fosite.ErrUnsupportedResponseMode, fosite.ErrInvalidScope, fosite.ErrServerError, fosite.ErrTemporarilyUnavailable,
		fosite.ErrUnsupportedGrantType, fosite.ErrInvalidGrant, fosite.ErrInvalidClient, fosite.ErrInvalidState,
		fosite.ErrMisconfiguration, fosite.ErrInsufficientEntropy, fosite.ErrNotFound, fosite.ErrInvalidTokenFormat,
		fosite.ErrTokenSignatureMismatch, fosite.ErrTokenExpired, fosite.ErrScopeNotGranted, fosite.ErrTokenClaim,
		fosite.ErrInactiveToken, fosite.ErrLoginRequired, fosite.ErrInteractionRequired, fosite.ErrConsentRequired,
		fosite.ErrRequestNotSupported, fosite.ErrRequestURINotSupported, fosite.ErrRegistrationNotSupported,
		fosite.ErrInvalidRequestURI, fosite.ErrInvalidRequestObject, fosite.ErrJTIKnown,
	} {
		v := surface(atToken).judge(inOurWords(err.WithDebug("hidden").WithHint("told")))
		if !slices.Contains(known, v.Code) || v.status < 400 {
			t.Errorf("%s leaves as %q with status %d", err.ErrorField, v.Code, v.status)
		}
		if want := describable(v.Description); want != v.Description || v.Description == "" || strings.Contains(want, "hidden") {
			t.Errorf("%s is described as %q", err.ErrorField, v.Description)
		}
	}
	if v := surface(atToken).judge(errors.New("pq: password of the database")); v.Code != "server_error" || v.Description != trouble {
		t.Errorf("an unknown error leaves as %+v", v)
	}
}

// OpenID Connect Core 1.0 §3.1.2.6.
func TestWays_everyStepHasAnErrorForPromptNone(t *testing.T) {
	t.Parallel()
	known := []string{"login_required", "interaction_required", "consent_required"}
	for _, step := range identity.Steps {
		way, ok := ways[step]
		switch {
		case step == identity.StepNone && ok:
			t.Errorf("nothing is missing, and still the answer is %+v", way)
		case step != identity.StepNone && !slices.Contains(known, surface(atAuthorize).judge(way.silently).Code):
			t.Errorf("step %d is answered %+v", step, way)
		case ok && (way.page == "") != (step == identity.StepOtherUser):
			t.Errorf("step %d leads to %q", step, way.page)
		}
	}
}
