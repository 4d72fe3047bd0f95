package oauth_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	endingsAt = "/oauth2/endings"
	someNonce = "0123456789abcdef"
)

// message is what a follower reads: endings or a beat.
type message struct {
	Issuer string  `json:"iss"`
	From   int64   `json:"from"`
	To     int64   `json:"to"`
	At     int64   `json:"at"`
	Tag    string  `json:"tag"`
	Nonce  string  `json:"nonce"`
	Window int64   `json:"window"`
	ACR    string  `json:"acr"`
	Marks  [][]any `json:"marks"`
}

// polledFeed is the answer to a poll.
type polledFeed struct {
	Endings []string
	Beat    string
	More    bool
}

// message verifies a message by the published keys.
func (s *stage) message(text string) (m message) {
	s.Helper()
	var set jose.JSONWebKeySet
	keys := s.send(httptest.NewRequest(http.MethodGet, "/oauth2/jwks", nil))
	if err := json.NewDecoder(keys.Body).Decode(&set); err != nil {
		s.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		s.Fatal(err, text)
	}
	header := jws.Signatures[0].Protected
	payload, err := jws.Verify(set.Key(header.KeyID)[0])
	if err != nil || header.ExtraHeaders[jose.HeaderType] != "endings+jwt" {
		s.Fatal(err, header)
	}
	if err := json.Unmarshal(payload, &m); err != nil || m.Issuer != issuer {
		s.Fatal(err, string(payload))
	}
	return m
}

// poll reads the feed once.
func (s *stage) poll(c identity.Client, pairs ...string) (all []message, beat message, more bool) {
	s.Helper()
	form := changed(url.Values{"nonce": {someNonce}, "wait": {"0"}}, pairs)
	var got polledFeed
	answer := s.askForm(endingsAt, form, asClient(c, clientSecret))
	for range 20 { // on a busy machine a look may take too long: who follows asks again
		if answer.status != http.StatusServiceUnavailable {
			break
		}
		answer = s.askForm(endingsAt, form, asClient(c, clientSecret))
	}
	answer.want(http.StatusOK)
	if err := json.Unmarshal([]byte(answer.body), &got); err != nil {
		s.Fatal(err)
	}
	for _, text := range got.Endings {
		all = append(all, s.message(text))
	}
	return all, s.message(got.Beat), got.More
}

func (m message) cursor() string {
	return identity.MarkPlace{Position: m.At, Tag: m.Tag}.Text()
}

func subjects(all []message) (names []string) {
	for _, m := range all {
		for _, mark := range m.Marks {
			names = append(names, mark[0].(string)+" "+mark[1].(string))
		}
	}
	return names
}

func TestEndings_aPollTellsWhatEndedSinceAPlaceAndVouchesForIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		api, app := s.app(s.confidential), s.app()
		_, begun, _ := s.poll(api)
		if begun.At != 0 || begun.Tag != identity.NoTag || begun.Nonce != someNonce || begun.Window != 660 || begun.ACR != "" {
			t.Fatalf("the first beat is %+v", begun)
		}
		first := s.session(s.begin(app))
		s.over(first)
		all, beat, more := s.poll(api, "after", begun.cursor())
		if want := []string{"s " + first.ID.String()}; !slices.Equal(subjects(all), want) || more || beat.At != 1 {
			t.Fatalf("told of %v up to %+v, want %v", subjects(all), beat, want)
		}
		second := s.session(s.begin(app))
		s.over(second)
		for _, follower := range []identity.Client{api, api, s.app(s.confidential)} { // a place is nobody's own: two may go on from one
			next, last, _ := s.poll(follower, "after", beat.cursor())
			if want := []string{"s " + second.ID.String()}; !slices.Equal(subjects(next), want) || next[0].From != 1 || last.At != 2 {
				t.Errorf("after %s: %+v", beat.cursor(), next)
			}
		}
		for _, unknown := range []string{"", "1.00000000", "77.0a1b2c3d"} {
			whole, _, _ := s.poll(api, "after", unknown)
			if len(subjects(whole)) != 2 || whole[0].From != 0 {
				t.Errorf("after %q: %+v; want all of it, from 0", unknown, whole)
			}
		}
		s.pass(12 * time.Minute) // no token lives that they could refuse
		if late, _, _ := s.poll(api); len(subjects(late)) != 0 || late[0].From != 0 || late[0].To != 2 {
			t.Errorf("after the window: %+v", late)
		}
	})
}

// over ends a Session as its device list does.
func (s *stage) over(row identity.Session) {
	s.Helper()
	if _, err := s.db.End(s.Context(), identity.Ending{Session: row.ID, Cause: identity.EndDevice}); err != nil {
		s.Fatal(err)
	}
}

func TestEndings_areForConfidentialClientsOfTheOperator(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		form := url.Values{"nonce": {someNonce}, "wait": {"0"}}
		own := s.app(s.confidential, selfRegistered)
		s.askForm(endingsAt, form, asClient(own, clientSecret)).refused(http.StatusForbidden, "access_denied")
		s.askForm(endingsAt, form, asClient(own, "wrong")).refused(http.StatusUnauthorized, "invalid_client")
		form.Set("client_id", s.app().ID)
		s.askForm(endingsAt, form).refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(endingsAt, url.Values{}).refused(http.StatusUnauthorized, "invalid_client")
	})
}

func TestEndings_refuseWhatIsNoRequestOfAFollower(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		api := s.app(s.confidential)
		for _, bad := range [][]string{
			{"nonce", ""},
			{"nonce", "short"},
			{"nonce", strings.Repeat("n", 129)},
			{"nonce", "not base64 url!!"},
			{"after", "x"},
			{"after", "1"},
			{"after", "01.00000000"},
			{"after", "-1.00000000"},
			{"after", "1.0000000G"},
			{"after", "99999999999999999999.00000000"},
			{"after", "9223372036854775808.00000000"},
			{"wait", "4"},
			{"wait", "-1"},
			{"wait", "1.5"},
			{"wait", "x"},
		} {
			form := changed(url.Values{"nonce": {someNonce}, "wait": {"0"}}, bad)
			s.askForm(endingsAt, form, asClient(api, clientSecret)).refused(http.StatusBadRequest, "invalid_request")
		}
	})
}

// feedStream is an open stream.
type feedStream struct {
	*stage
	resp  *http.Response
	lines *bufio.Scanner
}

// follows opens a stream over a real connection.
func (s *stage) follows(c identity.Client, pairs ...string) *feedStream {
	s.Helper()
	server := httptest.NewServer(s.server)
	s.Cleanup(server.Close)
	form := changed(url.Values{"nonce": {someNonce}}, pairs)
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, server.URL+endingsAt, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/event-stream")
	r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(clientSecret))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = resp.Body.Close() })
	return &feedStream{s, resp, bufio.NewScanner(resp.Body)}
}

// next reads the next event; false at the end of the stream.
func (f *feedStream) next() (event string, m message, ok bool) {
	f.Helper()
	for f.lines.Scan() {
		name, text, _ := strings.Cut(f.lines.Text(), ": ")
		switch name {
		case "event":
			event = text
		case "data":
			m = f.message(text)
		case "":
			return event, m, true
		}
	}
	return "", m, false
}

// until reads up to the first event of a name.
func (f *feedStream) until(name string) message {
	f.Helper()
	for {
		event, m, ok := f.next()
		if !ok {
			f.Fatalf("the stream ended before a %s", name)
		}
		if event == name {
			return m
		}
	}
}

func TestEndings_aStreamTellsThemAsTheyHappen(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		api, app := s.app(s.confidential), s.app()
		f := s.follows(api)
		if snapshot := f.until("endings"); snapshot.From != 0 || len(snapshot.Marks) != 0 {
			t.Fatalf("it begins with %+v", snapshot)
		}
		if beat := f.until("beat"); beat.Nonce != someNonce || beat.At != 0 {
			t.Fatalf("then comes %+v", beat)
		}
		row := s.session(s.begin(app))
		s.over(row)
		if got := f.until("endings"); got.From != 0 || got.To != 1 || got.Marks[0][1] != row.ID.String() {
			t.Fatalf("told %+v", got)
		}
		if beat := f.until("beat"); beat.At != 1 {
			t.Fatalf("then comes %+v", beat)
		}
	})
}

func TestEndings_aStreamEndsWithTheRightToFollow(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(s *stage, id string) error{
		"disabled": func(s *stage, id string) error {
			_, err := identity.Operators{Store: s.db, Now: s.now}.DisableClient(s.Context(), id)
			return err
		},
		"deleted": func(s *stage, id string) error {
			return identity.Operators{Store: s.db, Now: s.now}.DeleteClient(s.Context(), id)
		},
		"its secret leaked": func(s *stage, id string) error { // whoever has a copy may be the one who follows
			return identity.Operators{Store: s.db, Now: s.now}.RotateSecret(s.Context(), s.keys, identity.NewClientSecret{ClientID: id, Secret: "another secret"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				api := s.app(s.confidential)
				f := s.follows(api)
				f.until("beat")
				if err := lose(s, api.ID); err != nil {
					t.Fatal(err)
				}
				for ok := true; ok; {
					_, _, ok = f.next()
				}
			})
		})
	}
}
