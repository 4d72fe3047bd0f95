package resource

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Require lets next have the requests that bring what op needs, and answers the others.
func (g *Guard) Require(op Operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, refusal := g.Check(r, op)
		if refusal != nil {
			refusal.Write(w)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller{c, g})))
	})
}

// Check judges a request, of which it reads Method, URL, Host and Header alone: who calls, or why not. A URL with a host is where
// the caller sent it, if that is below Config.BaseURL. Behind a [Guard.Require] of the same guard only what op needs beyond it is
// judged: a proof is good for one look.
func (g *Guard) Check(r *http.Request, op Operation) (*Claims, *Refusal) {
	w := want{g: g, r: r, op: op}
	if known, _ := r.Context().Value(callerKey{}).(caller); known.guard == g {
		w.dpop = known.claims.thumbprint != ""
		return known.claims, w.enough(known.claims)
	}
	credential, err := readCredential(r.Header)
	w.dpop = credential.dpop
	switch {
	case errors.Is(err, errNoCredential):
		return nil, w.unknown()
	case err != nil:
		return nil, w.no(http.StatusBadRequest, "invalid_request", err.Error())
	}
	c, err := g.judge(r.Context(), credential.token)
	if err != nil {
		return nil, w.verdict(err)
	}
	if refusal := w.bound(c, credential); refusal != nil {
		return nil, refusal
	}
	if refusal := w.enough(c); refusal != nil {
		return nil, refusal
	}
	return c, nil
}

// errEnded is what the feed said.
var errEnded = errors.New("The session is over.") //nolint:staticcheck // a sentence for the answer

// errStale is what the operator chose over not knowing.
var errStale = &unavailableError{errors.New("the feed of endings is not current")}

// judge returns what a token says that is good now.
func (g *Guard) judge(ctx context.Context, token string) (*Claims, error) {
	if len(token) > maxToken {
		return nil, errors.New("it is over 8 KiB")
	}
	sum := hash(sha256.Sum256([]byte(token)))
	current := g.follower.current()
	jwt := strings.Count(token, ".") == 2
	life := activeLife
	if !current {
		life = staleLife
	}
	var c *Claims
	var err error
	if jwt {
		c, err = g.judgeJWT(ctx, token, sum)
	} else if !current && g.cfg.Stale == Refuse {
		return nil, errStale
	} else {
		c, err = g.asked.about(ctx, token, sum, life)
	}
	switch {
	case err != nil:
		return nil, err
	case g.marks.end(c): // what is known is known, however old the rest is
		return nil, errEnded
	case current || !jwt || g.cfg.Stale == Accept:
		return c, nil
	case g.cfg.Stale == Refuse:
		return nil, errStale
	}
	if _, err = g.asked.about(ctx, token, sum, life); err == nil && g.marks.end(c) { // meanwhile
		err = errEnded
	}
	return c, err
}

// verdict spells what judge found.
func (w want) verdict(err error) *Refusal {
	if _, ok := errors.AsType[*unavailableError](err); ok {
		w.g.cfg.Log.Warn("no verdict about a token", "reason", err)
		return later("There is no verdict about the token at the moment. Ask again.")
	}
	description := err.Error()
	if !errors.Is(err, errEnded) {
		description = "The access token is not good here: " + description + "."
	}
	return w.no(http.StatusUnauthorized, "invalid_token", description)
}

// bound judges whether the token came as it must: with its key's proof, or without any (RFC 9449 §7.1).
func (w want) bound(c *Claims, came credential) *Refusal {
	wrong := func(description string) *Refusal {
		w.dpop = c.thumbprint != ""
		return w.no(http.StatusUnauthorized, "invalid_token", description)
	}
	switch {
	case c.thumbprint != "" && !came.dpop:
		return wrong("The token is bound to a key: send it as DPoP, with its proof.")
	case c.thumbprint == "" && (came.dpop || len(w.r.Header.Values("DPoP")) > 0):
		return wrong("The token is bound to no key: send it as Bearer, without a proof.")
	case c.thumbprint == "":
		return nil
	}
	err := w.g.prove(w.r, came.token, c.thumbprint)
	if _, ok := errors.AsType[*unavailableError](err); ok {
		return later("There is no verdict about the proof at the moment. Ask again.")
	}
	if err != nil {
		return w.no(http.StatusUnauthorized, "invalid_dpop_proof", err.Error())
	}
	return nil
}

// enough judges whether the token is enough for the operation.
func (w want) enough(c *Claims) *Refusal {
	for _, scope := range w.op.Scopes {
		if !c.HasScope(scope) {
			return w.no(http.StatusForbidden, "insufficient_scope", "The token lacks a scope.")
		}
	}
	everyone := "" // who is a person
	if c.SessionID != "" {
		everyone = w.g.follower.acr()
	}
	acr := cmp.Or(w.op.ACR, everyone)
	if c.ACR == acr && everyone != "" { // both are needed
		acr = everyone
	}
	seconds := ""
	if w.op.MaxAge > 0 {
		seconds = strconv.FormatInt(int64(w.op.MaxAge/time.Second), 10)
	}
	stepUp := func(description string) *Refusal {
		return w.no(http.StatusUnauthorized, "insufficient_user_authentication", description, "acr_values", acr, "max_age", seconds)
	}
	switch {
	case acr != "" && c.ACR != acr:
		return stepUp("The person must sign in in another way.")
	case w.op.MaxAge > 0 && (c.AuthTime.IsZero() || w.g.cfg.Clock.Wall().Sub(c.AuthTime) > w.op.MaxAge):
		return stepUp("The person must sign in anew.")
	}
	return nil
}
