package admin

import (
	_ "embed"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// Prefix is where every address of the API begins.
const Prefix = "/api/"

// description is the API in OpenAPI 3.1, for people and for programs that make clients of it.
//
//go:embed openapi.json
var description []byte

// Routes mounts the API on a router that matches encoded paths: the id of a client may hold any visible character.
func (a *API) Routes(r *mux.Router) {
	on := func(method, path string, needs identity.Role, op operation) {
		r.Handle(Prefix+path, a.operation(needs, op)).Methods(method)
	}
	reads := func(path string, op operation) { on(http.MethodGet, path, identity.RoleReader, op) }
	runs := func(method, path string, op operation) { on(method, path, identity.RoleOperator, op) }
	helps := func(path string, op operation) {
		on(http.MethodPost, "users/{id}/"+path, identity.RoleSupport, a.sparing(userIn, op))
	}

	reads("users", a.userList)
	reads("users/{id}", a.userShow)
	runs(http.MethodPatch, "users/{id}", a.userDescribe)
	runs(http.MethodDelete, "users/{id}", a.userDelete)
	on(http.MethodGet, "users/{id}/export", identity.RoleSupport, a.userExport)
	helps("lock", a.userLock)
	helps("unlock", a.userUnlock)
	helps("end-sessions", a.userEndSessions)
	helps("remove-factor", a.userRemoveFactor)
	helps("way-in", a.userWayIn)
	helps("set-email", a.userSetEmail)
	helps("confirm-email", a.userConfirmEmail)
	helps("send-reset", a.userSendReset)
	helps("send-confirmation", a.userSendConfirm)
	runs(http.MethodPost, "users/{id}/set-role", a.userSetRole)
	reads("roles", a.roleList)
	reads("sessions", a.sessionList)
	reads("sessions/{id}", a.sessionShow)
	on(http.MethodDelete, "sessions/{id}", identity.RoleSupport, a.sparing(a.ownerIn, a.sessionEnd))
	reads("cases", a.caseList)
	on(http.MethodPost, "cases/{id}/close", identity.RoleSupport, a.sparing(a.caseOf, a.caseClose))
	reads("clients", a.clientList)
	runs(http.MethodPost, "clients", a.clientAdd)
	reads("clients/{id}", a.clientShow)
	runs(http.MethodPatch, "clients/{id}", a.clientUpdate)
	runs(http.MethodDelete, "clients/{id}", a.clientDelete)
	runs(http.MethodPost, "clients/{id}/disable", a.clientDisable)
	runs(http.MethodPost, "clients/{id}/enable", a.clientEnable)
	runs(http.MethodPost, "clients/{id}/rotate-secret", a.clientRotateSecret)
	reads("resources", a.resourceList)
	runs(http.MethodPost, "resources", a.resourceAdd)
	reads("resources/{id}", a.resourceShow)
	runs(http.MethodPatch, "resources/{id}", a.resourceUpdate)
	runs(http.MethodDelete, "resources/{id}", a.resourceDelete)
	reads("events", a.eventList)
	reads("stats", a.statsShow)
	reads("stats/days", a.statsDays)
	reads("stats/groups", a.statsGroups)
	reads("events/export", a.eventExport)
	reads("deliveries", a.deliveryList)
	runs(http.MethodPost, "deliveries/retry-dead", a.deliveryRetryDead)
	runs(http.MethodPost, "deliveries/{id}/retry", a.deliveryRetry)
	reads("registrations", a.registrationList)
	runs(http.MethodPost, "registration-tokens", a.registrationTokenAdd)
	reads("keys", a.keyList)
	runs(http.MethodPost, "keys/rotate", a.keyRotate)
	runs(http.MethodPost, "keys/{id}/remove", a.keyRemove)
	reads("webhooks", a.webhookList)
	runs(http.MethodPost, "webhooks", a.webhookAdd)
	runs(http.MethodDelete, "webhooks/{id}", a.webhookRemove)
	runs(http.MethodPost, "webhooks/{id}/rotate-secret", a.webhookRotate)
	runs(http.MethodPost, "webhooks/{id}/replay", a.webhookReplay)
	r.HandleFunc(Prefix+"openapi.json", describe).Methods(http.MethodGet)
}

// named is what the address names, as it was before it was escaped; "" for what can name nothing.
func named(r *http.Request) string {
	id, err := url.PathUnescape(mux.Vars(r)["id"])
	if err != nil || !plain(id) {
		return ""
	}
	return id
}

// describe needs no token: it tells nothing of what this server holds.
func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(description)
}

// Routes mounts the desk on a router that matches encoded paths, as the API's does.
func (d *Desk) Routes(r *mux.Router) {
	r.Handle("/desk", http.RedirectHandler(DeskPrefix, http.StatusSeeOther))
	r.Handle("/", http.RedirectHandler(DeskPrefix, http.StatusSeeOther))
	r.HandleFunc(DeskPrefix+"enter", d.enter).Methods(http.MethodGet)
	r.Handle(DeskPrefix+"leave", d.guard(identity.RoleReader, d.leave)).Methods(http.MethodPost)
	r.PathPrefix("/static/").Handler(templates.Static())
	for _, p := range places {
		if p.show != nil {
			d.shows(r, p.path, p.show)
		}
	}
	d.shows(r, "cases/{id}", (*Desk).oneCase)
	d.shows(r, "people/{id}", (*Desk).person)
	d.shows(r, "sessions/{id}", (*Desk).session)
	d.shows(r, "clients/{id}", (*Desk).client)
	d.shows(r, "webhooks/{id}", (*Desk).webhook)
	files(d, r, listedNumbers)
	files(d, r, listedCases)
	files(d, r, listedPeople)
	files(d, r, listedSessions)
	files(d, r, listedClients)
	files(d, r, listedRegistrations)
	files(d, r, listedEvents)
	files(d, r, listedDeliveries)
	files(d, r, listedWebhooks)
	files(d, r, listedKeys)
	mount(d, r, cases)
	mount(d, r, persons)
	mount(d, r, sessions)
	mount(d, r, clients)
	mount(d, r, nothings)
	mount(d, r, deliveries)
	mount(d, r, webhooks)
	mount(d, r, keys)
}

// shows mounts a page that everyone with a role may see.
func (d *Desk) shows(r *mux.Router, path string, page func(*Desk, visitor) (templates.Desk, error)) {
	d.gets(r, path, func(d *Desk, w http.ResponseWriter, v visitor) error {
		shown, err := page(d, v)
		if err != nil {
			return err
		}
		shown.DeskFrame = v.framed(shown.DeskFrame)
		shown.Notice = d.said[v.r.URL.Query().Get("done")]
		return templates.Show(w, http.StatusOK, shown)
	})
}

func (d *Desk) gets(r *mux.Router, path string, answer func(*Desk, http.ResponseWriter, visitor) error) {
	d.doors = append(d.doors, door{Path: DeskPrefix + path, Needs: identity.RoleReader})
	r.Handle(DeskPrefix+path, d.guard(identity.RoleReader, func(w http.ResponseWriter, v visitor) error {
		return answer(d, w, v)
	})).Methods(http.MethodGet)
}

// files mounts a list's files: one for spreadsheets, one for programs.
func files[Row any](d *Desk, r *mux.Router, l listing[Row]) {
	d.gets(r, l.path+".csv", l.sheet)
	d.gets(r, l.path+".jsonl", l.lines)
}

// mount mounts the deeds of a noun.
func mount[S any](d *Desk, r *mux.Router, n noun[S]) {
	for _, deed := range n.deeds {
		path := DeskPrefix + n.path + "/" + deed.name
		d.said[n.path+"/"+deed.name] = deed.done
		d.doors = append(d.doors, door{Path: path, Needs: deed.needs, Act: true, Fresh: deed.fresh})
		serve := func(w http.ResponseWriter, v visitor) error { return n.serve(w, v, deed) }
		r.Handle(path, d.guard(deed.needs, serve)).Methods(http.MethodGet, http.MethodPost)
	}
}
