package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
)

// ok is a handler that has nothing to say.
var ok = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// refused is a handler that others lead to.
var refused = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func ask(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestCORS_openToAppsWithoutCredentials(t *testing.T) {
	t.Parallel()
	for path, methods := range map[string]string{
		"/.well-known/openid-configuration":        "GET, HEAD",
		"/.well-known/oauth-authorization-server":  "GET, HEAD",
		"/.well-known/oauth-protected-resource":    "GET, HEAD",
		"/.well-known/oauth-protected-resource/me": "GET, HEAD",
		"/.well-known/openid-configuration/mcp":    "GET, HEAD", // nothing is there, which must be read
		"/oauth2/jwks":                             "GET, HEAD",
		"/oauth2/token":                            "POST",
		"/oauth2/revoke":                           "POST",
		"/oauth2/signout":                          "POST",
		"/oauth2/logout":                           "",
		"/oauth2/userinfo":                         "GET, POST",
		"/oauth2/register":                         "POST",
		"/oauth2/register/abc":                     "GET, PUT, DELETE",
		"/oauth2/register/":                        "",
		"/oauth2/register/a/b":                     "",
		"/oauth2/authorize":                        "",
		"/oauth2/introspect":                       "",
		"/oauth2/endings":                          "",
		"/signin":                                  "",
		"/":                                        "",
	} {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Set("Origin", "https://app.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		h := ask(cors(refused), r)
		if got := h.Header.Get("Access-Control-Allow-Methods"); got != methods {
			t.Errorf("%s: methods %q, want %q", path, got, methods)
		}
		want := map[bool]string{true: "*", false: ""}[methods != ""]
		if got := h.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: origin %q, want %q", path, got, want)
		}
		if h.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: cookies of a browser may come along", path)
		}
		if preflight := h.StatusCode == http.StatusNoContent; preflight != (methods != "") {
			t.Errorf("%s: status %d", path, h.StatusCode)
		}
	}
}

func TestCORS_anErrorCanBeReadByTheApp(t *testing.T) {
	t.Parallel()
	got := ask(cors(refused), httptest.NewRequest(http.MethodPost, "/oauth2/token", nil))
	if got.StatusCode != http.StatusTeapot || got.Header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), "Retry-After") {
		t.Error(got.Status, got.Header)
	}
}

// RFC 9449 §8: an app in a browser sends proofs, and reads nonces.
func TestCORS_letsProofsInAndNoncesOut(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodOptions, http.MethodPost} {
		got := ask(cors(refused), httptest.NewRequest(method, "/oauth2/token", nil)).Header
		if !strings.Contains(got.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
			t.Errorf("%s exposes %v", method, got)
		}
		if method == http.MethodOptions && !strings.Contains(got.Get("Access-Control-Allow-Headers"), "DPoP") {
			t.Errorf("the preflight allows %v", got)
		}
	}
}

// What a library or a browser's extension puts on a request is no reason to keep it from the app.
func TestCORS_preflightsTakeAnyHeader(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/oauth2/token", "/oauth2/jwks", "/oauth2/userinfo", "/oauth2/register", "/oauth2/revoke", "/me", "/me/state/a",
		"/.well-known/openid-configuration",
	} {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Add("Access-Control-Request-Headers", "authorization, x-requested-with,traceparent")
		r.Header.Add("Access-Control-Request-Headers", "sentry-trace, not a name, x\x00y, ü, "+strings.Repeat("many-,", 500)+strings.Repeat("m", 5000))
		got := ask(cors(refused), r).Header
		names := strings.Split(got.Get("Access-Control-Allow-Headers"), ", ")
		for _, name := range []string{"Authorization", "DPoP", "x-requested-with", "traceparent", "sentry-trace", "many-"} {
			if !slices.Contains(names, name) {
				t.Errorf("%s: %s is missing in %q", path, name, names)
			}
		}
		if slices.Contains(names, "not a name") || slices.Contains(names, "ü") || len(names) > 12 || !slices.Contains(got.Values("Vary"), "Access-Control-Request-Headers") {
			t.Errorf("%s: allows %d names: %v", path, len(names), got)
		}
	}
}

func TestOwnForms_refusesWhatAnotherSitePosts(t *testing.T) {
	t.Parallel()
	guard, err := ownForms("http://localhost:8080", refused)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, path string
		header       map[string]string
		want         int
	}{
		"own form":              {"POST", "/signin", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"own form, old browser": {"POST", "/signin", map[string]string{"Origin": "http://localhost:8080"}, 200},
		"behind a proxy":        {"POST", "/signin", map[string]string{"Origin": "http://localhost:8080", "Host": "sojourn:80"}, 200},
		"no browser":            {"POST", "/signin", nil, 200},
		"another site":          {"POST", "/signin", map[string]string{"Sec-Fetch-Site": "cross-site"}, 418},
		"another port":          {"POST", "/signout", map[string]string{"Sec-Fetch-Site": "same-site"}, 418},
		"another origin":        {"POST", "/consent", map[string]string{"Origin": "http://localhost:8090"}, 418},
		"no origin":             {"POST", "/consent", map[string]string{"Origin": "null"}, 418},
		"a link":                {"GET", "/signin", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		"authorize by POST":     {"POST", "/oauth2/authorize", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		"an app's request":      {"POST", "/oauth2/token", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		"almost the protocol":   {"POST", "/oauth2", map[string]string{"Sec-Fetch-Site": "cross-site"}, 418},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = "localhost:8080"
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		if host := c.header["Host"]; host != "" {
			r.Host = host
		}
		if got := ask(guard(ok), r); got.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, got.StatusCode, c.want)
		}
	}
}

func TestLimitBody_refusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	var read error
	h := limitBody(refused)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, read = io.ReadAll(r.Body) }))

	if got := ask(h, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, maxBody+1)))); got.StatusCode != http.StatusTeapot {
		t.Error("a large body was taken:", got.Status)
	}
	ask(h, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, maxBody))))
	if read != nil {
		t.Error("a body within the limit:", read)
	}
	chunked := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(bytes.NewReader(make([]byte, maxBody+1))))
	chunked.ContentLength = -1
	ask(h, chunked)
	if _, cut := errors.AsType[*http.MaxBytesError](read); !cut {
		t.Error("a body that did not say how large it is:", read)
	}
}

func TestRecovered_aPanicTellsTheLogAndNobodyElse(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&lines, nil))
	fault := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "our fault")
	})
	h := observe(log, newMetrics(50))(recovered(log, fault)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("password=hunter2")
	})))
	got := ask(h, httptest.NewRequest(http.MethodGet, "/", nil))
	body, _ := io.ReadAll(got.Body)
	if got.StatusCode != http.StatusInternalServerError || string(body) != "our fault" {
		t.Error(got.Status, string(body))
	}
	if !strings.Contains(lines.String(), "middleware_test.go") {
		t.Error("the log does not say where:", lines.String())
	}
	if strings.Contains(lines.String(), "hunter2") {
		t.Error("the log tells a secret:", lines.String())
	}
}

func TestRecovered_halfAnAnswerIsBrokenOff(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	site := httptest.NewServer(observe(log, newMetrics(50))(recovered(log, refused)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("half-way")
	}))))
	t.Cleanup(site.Close)
	got, err := http.Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if body, err := io.ReadAll(got.Body); err == nil {
		t.Errorf("%q passes for a whole answer", body)
	}
}

func TestObserve_oneLineWithoutSecrets(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	log := slog.New(withRequest{slog.NewJSONHandler(&lines, nil)})
	router := mux.NewRouter()
	router.Use(noteRoute)
	router.HandleFunc("/things/{id}", func(w http.ResponseWriter, r *http.Request) {
		log.InfoContext(r.Context(), "within")
		if got := identity.BrowserOf(r.Context()); got != "Firefox on Linux" {
			t.Errorf("Events name the browser %q", got)
		}
		w.WriteHeader(http.StatusCreated)
	})
	r := httptest.NewRequest(http.MethodPost, "/things/a@example.com?code=sj_ac_secret", strings.NewReader("password=hunter2"))
	r.Header.Set("Authorization", "Bearer sj_rt_secret")
	r.Header.Set("Cookie", "sojourn=sj_si_secret")
	r.Header.Set("X-Request-Id", "chosen-by-a-stranger")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	got := ask(realAddress(nil)(observe(log, newMetrics(50))(router)), r)
	id := got.Header.Get("X-Request-Id")
	if len(id) < 10 || strings.Contains(id, "stranger") {
		t.Errorf("request id %q", id)
	}
	if strings.Count(lines.String(), id) != 2 || strings.Count(lines.String(), "\n") != 2 {
		t.Error("not every line of the request says which it is:", lines.String())
	}
	if !strings.Contains(lines.String(), `"route":"/things/{id}"`) || !strings.Contains(lines.String(), `"status":201`) {
		t.Error(lines.String())
	}
	for _, secret := range []string{"secret", "hunter2", "example.com", "stranger"} {
		if strings.Contains(lines.String(), secret) {
			t.Errorf("the log tells %q: %s", secret, lines.String())
		}
	}
}

func TestHeaders_onEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, secure := range map[string]bool{"https": true, "http": false} {
		got := ask(headers(secure, "")(refused), httptest.NewRequest(http.MethodGet, "/", nil)).Header
		csp := got.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") ||
			strings.Contains(csp, "unsafe") || strings.Contains(csp, "form-action") {
			t.Error(name, csp)
		}
		if got.Get("Referrer-Policy") != "same-origin" || got.Get("X-Content-Type-Options") != "nosniff" ||
			got.Get("Cache-Control") != "no-store" {
			t.Error(name, got)
		}
		if hsts := got.Get("Strict-Transport-Security") != ""; hsts != secure {
			t.Error(name, "Strict-Transport-Security", hsts)
		}
	}
}

func TestHeadAsGet_isRoutedLikeGet(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(headAsGet(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method)
	})))
	t.Cleanup(site.Close)
	got, err := http.Head(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(got.Body); len(body) != 0 || got.ContentLength != int64(len("GET")) {
		t.Errorf("body %q, length %d", body, got.ContentLength)
	}
}
