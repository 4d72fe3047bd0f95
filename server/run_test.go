package server

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// running starts s; stop ends it and returns how it ended.
func running(t *testing.T, s *Server) (url, admin string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(cancel)
	return "http://" + s.ports.public.Addr().String(), "http://" + s.ports.admin.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func TestServe_aRequestUnderWayFinishes(t *testing.T) {
	t.Parallel()
	s := assembled(t, storagetest.Open(t, storage.SQLite), nil)
	begun, finish := make(chan struct{}), make(chan struct{})
	s.Handle("/slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "whole")
	}))
	url, _, stop := running(t, s)
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get(url + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for !s.leaving.Load() {
		time.Sleep(time.Millisecond)
	}
	if why := s.unready(t.Context()); why != "shutting down" {
		t.Errorf("a load balancer is told %q", why)
	}
	select {
	case err := <-stopped:
		t.Fatal("the server did not wait:", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	if got := <-answer; got != "whole" {
		t.Error(got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(url + "/slow"); err == nil {
		t.Error("new requests are still taken")
	}
}

func TestServe_anAddressInUseIsSaidByItsName(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t, storage.SQLite)
	first := assembled(t, db, nil)
	url, admin, _ := running(t, first)
	for setting, address := range map[string]string{"listen": url, "admin_listen": admin} {
		err := assembled(t, db, map[string]string{setting: strings.TrimPrefix(address, "http://")}).Listen(t.Context())
		if err == nil || !strings.Contains(err.Error(), "SOJOURN_"+strings.ToUpper(setting)) {
			t.Error(setting, err)
		}
	}
}

func TestAdmin_tellsHealthReadinessAndMetrics(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, nil)
		url, admin, _ := running(t, s)
		if status, _ := fetch(t, url+"/.well-known/openid-configuration"); status != http.StatusOK {
			t.Error("discovery", status)
		}
		for path, want := range map[string]string{
			"/healthz": "ok",
			"/readyz":  "ready",
			"/metrics": `sojourn_http_requests_total{route="/.well-known/openid-configuration",status="200"} 1`,
		} {
			if status, body := fetch(t, admin+path); status != http.StatusOK || !strings.Contains(body, want) {
				t.Error(path, status, body)
			}
		}
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			if status, _ := fetch(t, url+path); status != http.StatusNotFound {
				t.Error(path, "is public:", status)
			}
		}
	})
}

func TestReadyz_saysNoWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	db, err := storage.Open(t.Context(), storagetest.DSN(t, storage.SQLite), storage.Options{Keys: storagetest.Keys(t)})
	if err != nil {
		t.Fatal(err)
	}
	s := assembled(t, db, nil)
	_, admin, _ := running(t, s)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	status, body := fetch(t, admin+"/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "the database does not answer") {
		t.Error(status, body)
	}
	if status, _ := fetch(t, admin+"/healthz"); status != http.StatusOK {
		t.Error("the process is well all the same:", status)
	}
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
