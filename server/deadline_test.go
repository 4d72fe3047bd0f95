package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestDeadline_aWriteOutlivesItsSenderAndAReadDoesNot(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]error{http.MethodPost: nil, http.MethodGet: context.Canceled} {
		ctx, hangUp := context.WithCancel(t.Context())
		var got error
		bounded := false
		h := deadline(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			hangUp()
			got = r.Context().Err()
			_, bounded = r.Context().Deadline()
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", nil).WithContext(ctx))
		if !errors.Is(got, want) || !bounded {
			t.Errorf("%s after its sender hung up: %v, want %v; bounded %t", method, got, want, bounded)
		}
	}
}
