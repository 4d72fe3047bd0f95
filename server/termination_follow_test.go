package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// judge is an API that follows the feed of endings and asks nothing else.
type judge struct {
	w      *world
	asking *app
	after  string
	marks  []identity.Mark
}

func newJudge(t *testing.T, w *world) *judge {
	t.Helper()
	return &judge{w: w, asking: w.app(t, confidential)}
}

// follow reads the feed up to its end.
func (j *judge) follow(t *testing.T) {
	t.Helper()
	for more := true; more; {
		answer := j.poll(t)
		for _, text := range answer.Endings {
			j.read(t, text)
		}
		more = answer.More
	}
}

// polled is the answer to a poll of the feed, and how many bytes it has.
type polled struct {
	Endings []string
	Beat    string
	More    bool
	bytes   int
}

// poll reads the feed once from where the judge is, and moves on.
func (j *judge) poll(t *testing.T) (answer polled) {
	t.Helper()
	for {
		form := j.asking.credentials()
		form.Set("nonce", "a-nonce-of-the-judge")
		form.Set("wait", "0")
		if j.after != "" {
			form.Set("after", j.after)
		}
		got := j.w.post(t, j.asking.base+"/oauth2/endings", formType, form.Encode())
		if got.status == http.StatusServiceUnavailable { // the feed begins anew
			continue
		}
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != http.StatusOK {
			t.Fatal(got.status, got.body)
		}
		beat := claimsOf(t, answer.Beat)
		j.after = identity.MarkPlace{Position: int64(beat["at"].(float64)), Tag: beat["tag"].(string)}.Text()
		answer.bytes = len(got.body)
		return answer
	}
}

func (j *judge) read(t *testing.T, text string) {
	t.Helper()
	for _, m := range claimsOf(t, text)["marks"].([]any) {
		parts := m.([]any)
		mark := identity.Mark{Kind: identity.MarkKind(parts[0].(string)), Subject: parts[1].(string)}
		if len(parts) > 2 {
			mark.Epoch = int64(parts[2].(float64))
		}
		if len(parts) > 3 {
			for _, sid := range parts[3].([]any) {
				mark.Keep = append(mark.Keep, uuid.MustParse(sid.(string)))
			}
		}
		j.marks = append(j.marks, mark)
	}
}

// believes judges an access token by its exp and the marks.
func (j *judge) believes(t *testing.T, token string) bool {
	t.Helper()
	claims := claimsOf(t, token)
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	var said identity.Marked
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	return claims["exp"].(float64) > float64(j.w.now().Unix()) &&
		!slices.ContainsFunc(j.marks, func(m identity.Mark) bool { return m.Refuses(said) })
}

// agrees compares what the judge believes with introspection, for what every app holds.
func (j *judge) agrees(t *testing.T, s *scene, when string) {
	t.Helper()
	j.follow(t)
	for name, h := range s.held {
		if h.AccessToken == "" {
			continue
		}
		answer := j.asking.form(t, "/oauth2/introspect", "token", h.AccessToken).body
		active := strings.Contains(answer, `"active":true`)
		if believed := j.believes(t, h.AccessToken); believed != active {
			t.Errorf("%s, %s: by the marks %v the access token is believed: %v; introspection says %s",
				when, name, j.marks, believed, answer)
		}
	}
}
