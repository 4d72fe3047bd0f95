package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// wantsNonce checks a token answer that asks for a nonce and returns the one that it brings (RFC 9449 §8).
func (s *stage) wantsNonce(got told) string {
	s.Helper()
	s.bad(got, http.StatusBadRequest, "use_dpop_nonce", "retry")
	if wait := got.Header.Get("Retry-After"); wait != "0" {
		s.Errorf("the phone is told to wait %s seconds before it takes the nonce", wait)
	}
	return s.nonceOf(got.Header)
}

// nonceOf returns the one nonce of an answer that nobody may keep (RFC 9449 §8.2).
func (s *stage) nonceOf(h http.Header) string {
	s.Helper()
	if nonces := h.Values("DPoP-Nonce"); len(nonces) != 1 || h.Get("Cache-Control") != "no-store" {
		s.Fatalf("nonces are %q, Cache-Control %q", nonces, h.Get("Cache-Control"))
	}
	return h.Get("DPoP-Nonce")
}

func TestDPoP_aPhoneWhoseClockIsHoursOffIsServed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(boundOnly)
		for _, off := range []time.Duration{-5 * time.Hour, 61 * time.Second, -61 * time.Second, 50 * 365 * 24 * time.Hour} {
			k := newProofKey(t, jose.ES256)
			iat := s.now().Add(off).Unix()
			code := s.code(asking(c), s.signIn(s.user))
			nonce := s.wantsNonce(s.post(redeeming(c, code), s.by(k, "iat", iat)))
			first := s.post(redeeming(c, code), s.by(k, "iat", iat, "nonce", nonce))
			s.good(first)
			got := s.post(refreshing(c, first.RefreshToken), s.by(k, "iat", iat, "nonce", s.nonceOf(first.Header)))
			s.good(got)

			proof := []any{"iat", iat, "ath", ath(got.AccessToken)}
			asked := s.userinfoBy(got.AccessToken, s.by(k, proof...)).want(http.StatusUnauthorized)
			if challenge := asked.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "DPoP ") ||
				!strings.Contains(challenge, `error="use_dpop_nonce"`) {
				t.Errorf("userinfo challenges %s", challenge)
			}
			s.userinfoBy(got.AccessToken, s.by(k, append(proof, "nonce", s.nonceOf(asked.header))...)).want(http.StatusOK)
		}
	})
}

func TestDPoP_withoutANonceAClockMayBeAMinuteOff(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		for _, iat := range []any{s.now().Unix() - 60, s.now().Unix() + 60, float64(s.now().Unix()) + 0.5} {
			s.good(s.post(refreshing(c, first.RefreshToken), s.by(k, "iat", iat)))
		}
		for _, iat := range []any{s.now().Unix() - 61, s.now().Unix() + 61, 0, -1, 1e300, -1e300} {
			s.wantsNonce(s.post(refreshing(c, first.RefreshToken), s.by(k, "iat", iat)))
		}
	})
}

func TestDPoP_aNonceIsGoodForFiveMinutes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		nonce := s.nonceOf(first.Header)
		proof := func() func(*http.Request) { return s.by(k, "iat", 1, "nonce", nonce) }
		refresh := func() told { return s.post(refreshing(c, first.RefreshToken), proof()) }
		for _, step := range []struct {
			pass time.Duration
			kept bool // the same nonce comes again, so that a phone need not store one with every answer
		}{{0, true}, {119 * time.Second, true}, {time.Second, false}, {3 * time.Minute, false}} {
			s.pass(step.pass)
			got := refresh()
			s.good(got)
			if kept := s.nonceOf(got.Header) == nonce; kept != step.kept {
				t.Errorf("after %v the same nonce comes: %v", step.pass, kept)
			}
		}
		s.pass(time.Second)
		if next := s.wantsNonce(refresh()); next == nonce {
			t.Error("the stale nonce is handed out again")
		}
		for _, wrong := range []string{"x", nonce[1:], strings.Repeat("A", 36)} {
			nonce = wrong
			s.wantsNonce(refresh())
		}
	})
}

// A proof passes for as long as its nonce does, so it is known for as long.
func TestDPoP_aReplayIsKnownToTheLastSecond(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		late := k.sign(s.draft(k, http.MethodPost, "/oauth2/token").with("iat", s.now().Unix()+60))
		long := k.sign(s.draft(k, http.MethodPost, "/oauth2/token").with("nonce", s.nonceOf(first.Header)))
		refresh := func(proof string) told { return s.post(refreshing(c, first.RefreshToken), shown(proof)) }
		s.good(refresh(late))
		s.good(refresh(long))
		s.pass(2 * time.Minute)
		s.replayed(refresh(late))
		s.replayed(refresh(long))
		s.pass(time.Second)
		s.wantsNonce(refresh(late))
		s.pass(3*time.Minute - time.Second)
		s.replayed(refresh(long))
		s.pass(time.Second)
		s.wantsNonce(refresh(long))
	})
}

func TestDPoP_everyAnswerToAProofCarriesANonce(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		for _, got := range []told{
			s.post(refreshing(c, first.RefreshToken), s.by(k)), s.post(refreshing(c, "x"), s.by(k)),
			s.post(refreshing(c, first.RefreshToken), shown("x")), s.post(refreshing(c, "", "grant_type", "x"), s.by(k)),
			s.post(refreshing(c, first.RefreshToken, "client_id", "nobody"), s.by(k)),
		} {
			s.nonceOf(got.Header)
		}
		for _, got := range []reply{
			s.userinfoBy(first.AccessToken, s.by(k, "ath", ath(first.AccessToken))), s.userinfoBy(first.AccessToken),
			s.userinfoBy("x", s.by(k)), s.userinfo(first.AccessToken, s.by(k)),
		} {
			s.nonceOf(got.header)
		}
		if got := s.post(refreshing(c, "x")); got.Header.Get("DPoP-Nonce") != "" {
			t.Error("who has nothing to do with DPoP gets a nonce")
		}
	})
}
