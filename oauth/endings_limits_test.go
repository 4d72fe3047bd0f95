package oauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestEndings_the65thFollowerOfAClientIsTurnedAway(t *testing.T) {
	t.Parallel()
	s := newStage(t, storage.SQLite)
	api, other := s.app(s.confidential), s.app(s.confidential)
	var first *feedStream
	for i := range 64 {
		f := s.follows(api)
		if f.until("beat"); i == 0 {
			first = f
		}
	}
	form := url.Values{"nonce": {someNonce}, "wait": {"0"}}
	refused := s.askForm(endingsAt, form, asClient(api, clientSecret)).refused(http.StatusTooManyRequests, "temporarily_unavailable")
	if refused.header.Get("Retry-After") == "" {
		t.Error("it is not told when to come again")
	}
	s.poll(other) // nobody else pays
	if got := s.ends.Following(); got.Followers != 64 || got.Refused != 1 {
		t.Errorf("%+v", got)
	}
	_ = first.resp.Body.Close()
	for s.ends.Following().Followers == 64 { // noticed at its next beat
		time.Sleep(10 * time.Millisecond)
	}
	s.poll(api)
}

func TestEndings_beatsSayThatEverySessionNeedsASecondFactor(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		if _, beat, _ := s.poll(s.app(s.confidential)); beat.ACR != "mfa" {
			t.Errorf("the beat is %+v", beat)
		}
	}, func(o *oauth.Options) { o.Policy = identity.MFARequired })
}

func TestEndings_aProcessThatStopsEndsItsStreams(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var running sync.WaitGroup
		running.Go(func() { s.ends.Run(ctx) })
		f := s.follows(s.app(s.confidential))
		f.until("beat")
		stop()
		running.Wait()
		for ok := true; ok; {
			_, _, ok = f.next()
		}
	})
}

// Two processes on one database, 16 that end at once: whoever follows either one is told of all, and of none twice.
func TestEndings_everyProcessTellsWhatAnyEnds(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			here := newStage(t, kind)
			there := *here
			there.rebuild()
			api := here.app(here.confidential)
			streams := []*feedStream{here.follows(api), there.follows(api)}
			for _, f := range streams {
				f.until("beat")
			}
			const each = 25
			var ending sync.WaitGroup
			for n := range 16 {
				ending.Go(func() {
					for i := range each {
						if err := here.db.DenyToken(t.Context(), fmt.Sprintf("%d-%d", n, i), here.now().Add(time.Hour)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			ending.Wait()
			for _, f := range streams {
				told, at := map[string]bool{}, int64(0)
				for len(told) < 16*each {
					event, m, ok := f.next()
					if !ok {
						t.Fatal("the stream ended")
					}
					if event != "endings" {
						continue
					}
					if m.From != at {
						t.Errorf("after %d comes a message from %d", at, m.From)
					}
					for _, name := range subjects([]message{m}) {
						if told[name] {
							t.Errorf("%s is told twice", name)
						}
						told[name] = true
					}
					at = m.To
				}
			}
		})
	}
}

func TestEndings_aLongSnapshotComesInSeveralMessages(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const marks = 1201
		err := s.db.InTx(t.Context(), func(ctx context.Context) error {
			for i := range marks {
				if err := s.db.DenyToken(ctx, fmt.Sprint(i), s.now().Add(time.Hour)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		all, beat, more := s.poll(s.app(s.confidential))
		at := int64(0)
		for _, m := range all {
			if m.From != at || len(m.Marks) > 500 {
				t.Errorf("after %d comes a message from %d with %d marks", at, m.From, len(m.Marks))
			}
			at = m.To
		}
		if len(all) != 3 || len(subjects(all)) != marks || beat.At != marks || more {
			t.Errorf("%d messages with %d marks up to %d", len(all), len(subjects(all)), beat.At)
		}
	})
}

// Followers give an answer ten seconds: what is long comes in parts, each of which a thin way carries in that time.
func TestEndings_aPollIsShortEnoughForAThinWayAndGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const marks = 2600
		err := s.db.InTx(t.Context(), func(ctx context.Context) error {
			for i := range marks {
				if err := s.db.DenyToken(ctx, fmt.Sprintf("%d-%s", i, strings.Repeat("x", 1000)), s.now().Add(time.Hour)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		api, told, polls := s.app(s.confidential), 0, 0
		all, beat, more := s.poll(api)
		for ; ; all, beat, more = s.poll(api, "after", beat.cursor()) {
			polls++
			told += len(subjects(all))
			if len(all) > 2 { // each message is two thirds of a megabyte
				t.Errorf("a poll brings %d messages", len(all))
			}
			if !more {
				break
			}
		}
		if told != marks || polls != 3 || beat.At != marks {
			t.Errorf("%d of %d marks in %d polls, up to %d", told, marks, polls, beat.At)
		}
	})
}

func FuzzEndings(f *testing.F) {
	f.Add(someNonce, "1.00000000", "0")
	f.Add("", "x", "-1")
	f.Add(strings.Repeat("n", 128), "9223372036854775807.ffffffff", "3.0")
	s := newStage(f, storage.SQLite)
	api := s.app(s.confidential)
	f.Fuzz(func(t *testing.T, nonce, after, wait string) {
		form := url.Values{"nonce": {nonce}, "after": {after}, "wait": {wait}}
		r := httptest.NewRequest(http.MethodPost, endingsAt, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(url.QueryEscape(api.ID), url.QueryEscape(clientSecret))
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest && w.Code != http.StatusTooManyRequests {
			t.Errorf("%q %q %q is answered %d", nonce, after, wait, w.Code)
		}
	})
}
