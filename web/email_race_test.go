package web_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
)

func TestEmail_ofManyWhoMoveToOneAddressOneGetsIt(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		var texts []string
		for _, name := range []string{"anna", "bob", "carl", "dora"} {
			u := s.user(name + "@example.com")
			texts = append(texts, s.moving(s.signedIn(u.Email), "one@example.com"))
		}
		statuses := make([]int, len(texts))
		var all sync.WaitGroup
		for i, text := range texts {
			b := s.browser()
			all.Go(func() {
				resp, err := b.http.PostForm(s.server.URL+"/email", map[string][]string{"link": {text}})
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				statuses[i] = resp.StatusCode
			})
		}
		all.Wait()
		slices.Sort(statuses)
		if want := []int{http.StatusOK, http.StatusConflict, http.StatusConflict, http.StatusConflict}; !slices.Equal(statuses, want) {
			t.Errorf("they are answered %v, want %v\n%s", statuses, want, s.log.String())
		}
	})
}
