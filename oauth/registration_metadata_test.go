package oauth

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// Whatever is sent, the answer is metadata that can be registered, or a refusal that is the sender's to mend.
func FuzzReadRegistration(f *testing.F) {
	for _, body := range []string{
		`{"redirect_uris":["https://a.example/cb"],"client_id":"x","client_secret":"y"}`,
		`{"redirect_uris":["https://a.example/cb"],"jwks":{"keys":[{}]},"contacts":[null],"default_max_age":-1}`,
		`{"client_name":"\ud800","scope":"openid","grant_types":["client_credentials"],"x":[[[]]]}`,
		`{"redirect_uris":{},"REDIRECT_URIS":[],"software_statement":0,"client_name#de":"x"}`,
		`[]`, `null`, `{`, "\xff", `{"":1}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, registerPath, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		asked, err := readRegistration(httptest.NewRecorder(), r)
		if err == nil {
			_, err = identity.CleanRegistration(asked.Metadata)
		}
		if err == nil {
			return
		}
		v := surface(atRegister).judge(byMember(err))
		if v.status < 400 || v.status >= 500 || v.Code == "" || strings.TrimSpace(v.Description) == "" {
			t.Errorf("%q: answered %+v for %v", body, v, err)
		}
	})
}
