package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

// A program does with webhooks what the command line does, and is told the secret once.
func TestWebhooks_areAddedListedReplayedAndRemoved(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		var made admin.Webhook
		d.want(http.StatusOK, `POST /api/webhooks {"name":"crm","url":"https://crm.example/in","kinds":["user.created"]}`, &made)
		if !strings.HasPrefix(made.Secret, "whsec_") || made.CreatedAt.IsZero() {
			t.Errorf("%+v", made)
		}
		got := d.ask("GET /api/webhooks")
		if strings.Contains(got.body, "secret") || !strings.Contains(got.body, "https://crm.example/in") {
			t.Error(got.body)
		}
		var done admin.Replayed
		d.want(http.StatusOK, `POST /api/webhooks/crm/replay {"since":"2026-11-01T00:00:00Z"}`, &done)
		if done.Events != 0 {
			t.Errorf("%+v", done)
		}
		for _, c := range []struct {
			at, body string
			status   int
			field    string
		}{
			{"POST /api/webhooks", `{"name":"crm","url":"https://crm.example/in"}`, http.StatusConflict, "name"},
			{"POST /api/webhooks", `{"name":"b","url":"http://crm.example/in"}`, http.StatusBadRequest, "url"},
			{"POST /api/webhooks", `{"name":"b","url":"https://crm.example/in","kinds":["x"]}`, http.StatusBadRequest, "kinds"},
			{"POST /api/webhooks/crm/replay", `{}`, http.StatusBadRequest, "since"},
			{"POST /api/webhooks/no/replay", `{"since":"2026-11-01T00:00:00Z"}`, http.StatusNotFound, ""},
			{"DELETE /api/webhooks/no", "", http.StatusNotFound, ""},
		} {
			if got := d.ask(c.at + " " + c.body); got.status != c.status || !strings.Contains(got.body, c.field) {
				t.Errorf("%s %s: %d %s", c.at, c.body, got.status, got.body)
			}
		}
		if got := d.ask("DELETE /api/webhooks/crm"); got.status != http.StatusNoContent {
			t.Error(got.status, got.body)
		}
		if d.told(identity.WebhookAdded, "api:deploy")+d.told(identity.WebhookRemoved, "api:deploy")+d.told(identity.WebhookReplayed, "api:deploy") != 3 {
			t.Error("not every Event was told")
		}
	})
}
