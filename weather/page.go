package weather

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The proxy's own pages: what a captive portal leads to, and where redirects of no other aim lead.
const (
	ownPages      = "/weather/"
	portalPage    = ownPages + "portal"
	elsewherePage = ownPages + "elsewhere"
)

const portalWords = "Welcome aboard! Accept our terms to use the Wi-Fi."

// here is where the client found the proxy.
func (v *visit) here() string {
	if v.r.TLS != nil {
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host
}

// page answers with HTML, as proxies and portals do to everyone.
func (p *Proxy) page(v *visit, status int, words string) {
	var b strings.Builder
	b.WriteString("<!doctype html><html><head><title>")
	b.WriteString(words)
	b.WriteString("</title></head><body><h1>")
	b.WriteString(words)
	b.WriteString("</h1>")
	if words == portalWords {
		b.WriteString(`<form method="post" action="` + portalPage + `"><button>Accept</button></form>`)
	}
	b.WriteString("</body></html>\n")
	header := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	p.send(v, answer{status, header, []byte(b.String())})
}

// ownPage answers for the proxy itself. Whoever presses the portal's button is through for as long as its phase lasts.
func (p *Proxy) ownPage(v *visit) {
	switch {
	case v.r.URL.Path == portalPage && v.r.Method == http.MethodPost:
		p.plan.logIn(cmp.Or(v.r.URL.Query().Get("device"), v.device), time.Now())
		p.page(v, http.StatusOK, "You are online.")
	case v.r.URL.Path == portalPage:
		p.page(v, http.StatusOK, portalWords)
	case v.r.URL.Path == elsewherePage:
		p.page(v, http.StatusOK, "You were led elsewhere.") // the log tells who came
	default:
		p.page(v, http.StatusNotFound, "404 Not Found")
	}
}

func (p *Proxy) badGateway(v *visit) {
	p.tell(v, 0)
	p.page(v, http.StatusBadGateway, "502 Bad Gateway")
}

func (p *Proxy) unavailable(v *visit) {
	p.tell(v, 0)
	v.w.Header().Set("Retry-After", v.retryAfter())
	p.page(v, http.StatusServiceUnavailable, "503 Service Unavailable")
}

func (p *Proxy) tooMany(v *visit) {
	p.tell(v, 0)
	v.w.Header().Set("Retry-After", v.retryAfter())
	p.page(v, http.StatusTooManyRequests, "429 Too Many Requests")
}

// retryAfter is in whole seconds (RFC 9110 §10.2.3), and not in the weather's but the client's.
func (v *visit) retryAfter() string {
	return strconv.Itoa(int((v.fault.after() + time.Second - 1) / time.Second))
}

func (p *Proxy) portal(v *visit) {
	p.tell(v, 0)
	p.page(v, http.StatusOK, portalWords)
}

func (p *Proxy) portalRedirect(v *visit) {
	p.tell(v, 0)
	v.w.Header().Set("Location", v.here()+portalPage)
	p.page(v, http.StatusFound, portalWords)
}

func (p *Proxy) redirect(v *visit) {
	p.tell(v, 0)
	to := v.fault.To
	if to == "" {
		to = v.here() + elsewherePage
	}
	v.w.Header().Set("Location", to)
	p.page(v, http.StatusTemporaryRedirect, "307 Temporary Redirect") // which keeps method and body (RFC 9110 §15.4.8)
}
