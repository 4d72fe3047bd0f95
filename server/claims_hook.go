package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

const (
	maxHookBody     = 16 << 10 // bytes of an answer of the claims hook
	maxHookClaims   = 4 << 10  // bytes of JSON of the claims that are taken of it
	maxHookSentence = 300      // bytes of why it refuses
)

// claimsHook is the operator's own program that says more of people (docs/claims.md), asked as webhooks are told.
type claimsHook struct {
	url, secret string
	taken       []string // names of claims that the settings make something of
	now         func() time.Time
	fetch       *http.Client
}

// claimsHook makes the hook of the settings, and has it counted; nil where there is none.
func (s *Server) claimsHook() *oauth.ClaimsHook {
	cfg := s.cfg.ClaimsHook
	if cfg.URL == "" {
		return nil
	}
	own := &claimsHook{url: cfg.URL, secret: string(cfg.Secret), now: s.db.Now, fetch: hookClient(cfg.Timeout)}
	for _, r := range s.cfg.Claims {
		if name, hooked := strings.CutPrefix(r.From, "hook."); hooked {
			own.taken = append(own.taken, name)
		}
	}
	hook := oauth.NewClaimsHook(oauth.HookOptions{
		Ask: own.ask, Timeout: cfg.Timeout, Life: cfg.Cache, Open: cfg.Failure == config.Open, Now: s.db.Now, Log: s.log,
	})
	s.metrics.showHook(hook.Outcomes)
	return hook
}

// hookClient calls the one address that the operator set, wherever that is: nobody else can name it, and mostly it is private.
// It asks no proxy and follows nobody elsewhere.
func hookClient(timeout time.Duration) *http.Client {
	return oauth.Unredirected(&http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
			TLSHandshakeTimeout:    timeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           16,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		},
	})
}

// question is the body of what the hook is asked.
type question struct {
	Type      string       `json:"type"`
	Timestamp time.Time    `json:"timestamp"`
	Data      questionData `json:"data"`
}

type questionData struct {
	For      oauth.HookCause `json:"for"`
	User     saidUser        `json:"user"`
	ClientID string          `json:"client_id"`
	Scopes   []string        `json:"scopes"`
	Resource string          `json:"resource"`
	ACR      string          `json:"acr"`
}

// ask puts one question. Its error is oauth.ErrHookAnswer where an answer came that is of no use.
func (h *claimsHook) ask(ctx context.Context, q oauth.HookQuestion, u identity.User) (oauth.HookAnswer, error) {
	now := h.now()
	body, err := json.Marshal(question{"claims.asked", now, questionData{
		q.For, saidUser{u.Sub, u.Email, u.EmailVerified, u.Name}, q.ClientID, q.Scopes, q.Resource, q.ACR,
	}})
	if err != nil {
		return oauth.HookAnswer{}, err
	}
	r, err := message{h.url, []string{h.secret}, identity.NewID().String(), body}.signed(ctx, now)
	if err != nil {
		return oauth.HookAnswer{}, err
	}
	resp, err := h.fetch.Do(r)
	if err != nil {
		return oauth.HookAnswer{}, oauth.OwnWords(err)
	}
	defer resp.Body.Close()
	return h.read(resp)
}

func (h *claimsHook) read(resp *http.Response) (oauth.HookAnswer, error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNoContent:
		return oauth.HookAnswer{}, nil
	default:
		return oauth.HookAnswer{}, fmt.Errorf("it answered %d, not 200 or 204: %w", resp.StatusCode, oauth.ErrHookAnswer)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHookBody+1))
	switch {
	case err != nil:
		return oauth.HookAnswer{}, errors.New("its answer was cut off, or came too late")
	case len(body) > maxHookBody:
		return oauth.HookAnswer{}, fmt.Errorf("its answer has more than %d bytes: %w", maxHookBody, oauth.ErrHookAnswer)
	}
	answer, err := readHookAnswer(body, h.taken)
	if err != nil {
		return oauth.HookAnswer{}, fmt.Errorf("%w: %w", err, oauth.ErrHookAnswer)
	}
	return answer, nil
}

// readHookAnswer keeps of an answer the claims that are taken, and why it refuses.
func readHookAnswer(body []byte, taken []string) (answer oauth.HookAnswer, err error) {
	var said struct {
		Claims map[string]json.RawMessage `json:"claims"`
		Refuse *string                    `json:"refuse"`
	}
	if !utf8.Valid(body) || !strings.HasPrefix(strings.TrimLeft(string(body), " \t\r\n"), "{") || json.Unmarshal(body, &said) != nil {
		return answer, errors.New("its answer is not a JSON object like {\"claims\": {}} or {\"refuse\": \"why\"}")
	}
	if said.Refuse != nil {
		answer.Refusal = sentence(*said.Refuse)
		return answer, nil
	}
	size := 0
	answer.Claims = map[string]json.RawMessage{}
	for name, value := range said.Claims {
		if slices.Contains(taken, name) && string(value) != "null" {
			answer.Claims[name] = value
			size += len(name) + len(value)
		}
	}
	if size > maxHookClaims {
		return oauth.HookAnswer{}, fmt.Errorf("its claims have more than %d bytes", maxHookClaims)
	}
	return answer, nil
}

// sentence is what people are told, on one line and not too long.
func sentence(said string) string {
	said = strings.Join(strings.FieldsFunc(said, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	for len(said) > maxHookSentence {
		_, last := utf8.DecodeLastRuneInString(said)
		said = said[:len(said)-last]
	}
	if said == "" {
		return "You cannot use this app now."
	}
	return said
}
