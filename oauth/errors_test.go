package oauth

import (
	"errors"
	"fmt"
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
		if want := map[bool]string{true: "login", false: "retry"}[r.token.code == "invalid_grant"]; actions[r.token.code] != want {
			t.Errorf("kind %d is answered %+v with action %q", kind, r.token, actions[r.token.code])
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
