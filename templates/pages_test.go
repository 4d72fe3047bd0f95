package templates_test

import (
	"net/url"

	"github.com/sojourn-auth/sojourn/templates"
)

var (
	operator = templates.Operator{Name: "Harbour", LogoURL: "/logo/operator"}
	notes    = templates.App{Name: "Notes", LogoURL: "/logo/notes", Host: "notes.example"}
	frame    = templates.Frame{Operator: operator, App: notes}
	alone    = templates.Frame{Operator: templates.Operator{Name: "Harbour"}}
	leaving  = templates.Frame{Operator: operator, Title: templates.Say(templates.AskSignOut, "username", "anna@example.com")}
	anna     = templates.Person{Username: "anna@example.com", NotYouURL: "/signin?switch=1"}
	asked    = templates.Form{Next: "sealed-request"}
)

func problem(field, sentence string) templates.Form {
	return templates.Form{Next: "sealed-request", ProblemField: field, Problem: sentence}
}

// golden is every page in every state that looks different.
var golden = with(atTheDesk, with(account, with(mailed, map[string]templates.Page{
	"signin": templates.SignIn{Frame: frame, Form: asked, SignUpURL: "/signup?next=sealed-request"},
	"signin-alone": templates.SignIn{
		Frame: alone, Form: templates.Form{Action: "/signin"},
		Notice: "Your password has been changed. Sign in with the new one.",
	},
	"signin-continue": templates.SignIn{
		Frame: frame, Form: asked, Username: "ada@example.com", Notice: templates.Say(templates.SignedUp),
		Person: "ada@example.com", ContinueURL: "/oauth2/authorize?next=sealed-request",
	},
	"signin-problem": templates.SignIn{
		Frame: frame, Username: "anna@example.com", SignUpURL: "/signup",
		Form: problem("password", "E-mail address and password don’t fit together. Check both and try again."),
	},
	"signin-alert": templates.SignIn{
		Frame: frame, Username: "anna@example.com",
		Form: problem("", "Too many tries. Wait 2 minutes, then try again."),
	},
	"signup": templates.SignUp{Frame: frame, Form: asked, MinPassword: 8, SignInURL: "/signin"},
	"signup-problem": templates.SignUp{
		Frame: frame, Username: "anna@example.com", Name: "Anna Ångström", MinPassword: 8,
		Form: problem("password", "This password is too short. Take at least 8 characters."),
	},
	"totp": templates.TOTP{Frame: frame, Form: asked, Person: anna, RecoveryURL: "/signin/recovery"},
	"totp-problem": templates.TOTP{
		Frame: frame, Person: anna, RecoveryURL: "/signin/recovery",
		Form: problem("", "That code is not right. Wait for the next one in your app and try again."),
	},
	"recovery": templates.Recovery{Frame: frame, Form: asked, Person: anna, TOTPURL: "/signin/totp"},
	"recovery-problem": templates.Recovery{
		Frame: frame, Person: anna, TOTPURL: "/signin/totp",
		Form: problem("recovery_code", "That code is not right or was used before. Try another one."),
	},
	"enrol":   enrol(asked),
	"replace": replace(),
	"save":    save(),
	"replaced": templates.Told{
		Frame: titled(templates.ReplacedTitle), Done: true, Lead: templates.Say(templates.FactorReplaced), More: templates.CodesKept(9),
		Ways: []templates.Link{{URL: "/oauth2/authorize?next=sealed-request", Label: templates.Say(templates.ContinueTo, "app", "Notes")}},
	},
	"newphone": templates.Told{
		Frame: titled(templates.NewPhone), Lead: templates.Say(templates.NewPhoneWhy),
		Ways: []templates.Link{
			{URL: "/account/totp/replace?next=sealed-request", Label: templates.Say(templates.NewPhoneGo)},
			{URL: "/oauth2/authorize?next=sealed-request", Label: templates.Say(templates.ContinueTo, "app", "Notes")},
		},
	},
	"enrol-problem":     enrol(problem("totp", "That code is not right. Wait for the next one in your app and try again.")),
	"enrol-over":        enrol(problem("enrolment", "This page was open for too long, so here is a new key.")),
	"consent":           consent(notes, false),
	"consent-self":      consent(templates.App{Name: "Notes"}, true),
	"consent-stay":      staying(),
	"consent-published": publishing(),
	"consent-places":    places(consent(notes, false)),
	"register":          templates.Register{Frame: alone},
	"register-problem": templates.Register{
		Frame: alone, Name: "Notes", RedirectURIs: "http://notes.example/cb", Confidential: true, NeedsToken: true,
		Form: templates.Form{ProblemField: "redirect_uris", Problem: "Use https with a plain host name, or http on 127.0.0.1, [::1] or localhost."},
	},
	"registered": templates.Registered{
		Frame: alone, ClientID: "3q2-7wPzQkG0m1TgF5hJ9A", Secret: "b3VyIHNlY3JldCBpcyBuaWNlIGFuZCBsb25nIGVub3VnaA",
		Issuer: "https://id.example", Discovery: "https://id.example/.well-known/openid-configuration",
		RedirectURIs: []string{"https://notes.example/cb", "cursor://anysphere.cursor-mcp/oauth/callback"},
		LeftOut:      []templates.LeftOut{{URI: "myapp:/cb", Reason: "Use a scheme that is a domain name of yours in reverse order, with a dot in it."}},
		URI:          "https://id.example/oauth2/register/3q2-7wPzQkG0m1TgF5hJ9A", Access: "sj_ra_8Jt3nQ0yYw7uZx2aBcDeFgHiJkLmNoPqRsTuVwXyZ01",
	},
	"continue": templates.Continue{
		Frame: templates.Frame{Operator: operator, App: templates.App{Name: "Notes"}}, Form: asked, Person: anna, Binding: "sealed-binding", Called: "Anna Ångström",
	},
	"signedout": templates.SignedOut{Frame: alone, SignInURL: "/signin"},
	"signedout-app": templates.SignedOut{
		Frame: alone, SignInURL: "/signin", Host: "notes.example",
		Back: templates.Link{URL: "https://notes.example/bye", Label: templates.Say(templates.BackTo, "app", "Notes")},
	},
	"signedout-stranded": templates.SignedOut{Frame: alone, SignInURL: "/signin", Stranded: true, Asker: "Notes"},
	"signedout-nowhere":  templates.SignedOut{Frame: alone, SignInURL: "/signin", Stranded: true},
	"signedout-frames": templates.SignedOut{
		Frame: alone, SignInURL: "/signin", Onward: true,
		Back: templates.Link{URL: "https://notes.example/bye?state=s", Label: templates.Say(templates.BackTo, "app", "Notes")},
		Frames: []string{
			"https://notes.example/out?iss=https%3A%2F%2Fdoor.example&sid=1", "https://maps.example/out?iss=https%3A%2F%2Fdoor.example&sid=2",
		},
	},
	"handover": templates.Handover{
		Frame: templates.Frame{Operator: operator, App: notes}, To: "https://notes.example/cb?from=door",
		Answer: templates.Answer(url.Values{"code": {"sealed-code"}, "state": {`a"b<c>`}, "iss": {"https://door.example"}}),
	},
	"problem-posted": templates.Problem{
		Frame: frame, Cause: templates.BadRequest, Back: templates.Link{URL: "https://notes.example/cb"},
		Answer: templates.Answer(url.Values{"error": {"invalid_scope"}, "state": {"s"}}),
	},
	"signout":         templates.SignOut{Frame: leaving, Asker: "Notes", StayURL: "/signin"},
	"signout-unknown": templates.SignOut{Frame: leaving, StayURL: "/signin"},
	"problem":         templates.Problem{Frame: templates.Frame{Operator: operator, Reference: "7F3K-22QA"}},
	"problem-app":     refused(),
	"problem-detail": templates.Problem{
		Frame: templates.Frame{Operator: operator, App: templates.App{Name: "Notes"}, Title: "This sign-in cannot go on", Reference: "7F3K-22QA"},
		Cause: templates.BadRequest, Sentence: "What the app asked us for is not right.", Detail: "redirect_uri is not one of the client's.",
	},
	"problem-mistake": templates.Problem{Frame: alone, Cause: templates.NothingHere, Mistake: true},
	"problem-throttled": templates.Problem{
		Frame: frame, Cause: templates.TooManyTries, Back: templates.Link{URL: "/oauth2/authorize", Label: "Try again"},
	},
})))

func refused() templates.Problem {
	f := frame
	f.Title, f.Reference, f.Theme = "Notes asked for something we don’t offer", "7F3K-22QA", "/theme.css"
	return templates.Problem{
		Frame: f, Cause: templates.BadRequest,
		Sentence: "It wants the permission “calendar”, which does not exist here.",
		Back:     templates.Link{URL: "https://notes.example/cb?error=invalid_scope&state=s"},
	}
}

func consent(app templates.App, self bool) templates.Consent {
	return templates.Consent{
		Frame: templates.Frame{Operator: operator, App: app}, Form: asked, Person: anna,
		Binding: "sealed-binding", SelfRegistered: self,
		Scopes:    []string{"openid", "profile", "email", "offline_access", "calendar.read"},
		ClientURL: "https://notes.example/", PolicyURL: "https://notes.example/privacy", TermsURL: "https://notes.example/terms",
	}
}

// staying asks whether a connected app may stay so.
func staying() templates.Consent {
	page := consent(templates.App{Name: "Agent"}, true)
	page.Scopes, page.Stay = []string{"openid", "calendar.read"}, true
	return page
}

// publishing is the consent page of an app that nobody registered and that is on this device.
func publishing() templates.Consent {
	page := consent(templates.App{Name: "Notes"}, true)
	page.PublishedBy, page.Posable = "notes.example", true
	return page
}

func places(page templates.Consent) templates.Consent {
	page.Places = []templates.Place{
		{Name: "Your notes <of Ada>", Words: []string{"Read your notes", "Change your notes"}}, {Name: "Weather"},
	}
	return page
}

func enrol(form templates.Form) templates.Enrol {
	return templates.Enrol{
		Frame: frame, Form: form, Person: anna,
		OtpauthURL: "otpauth://totp/Harbour:anna@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Harbour",
		Secret:     "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
		QR:         []byte("\x89PNG\r\n\x1a\n"),
		Enrolment:  "sealed-enrolment", LaterURL: "/oauth2/authorize",
	}
}

func replace() templates.Enrol {
	page := enrol(asked)
	page.Replaces = true
	return page
}

func save() templates.Save {
	return templates.Save{
		Frame: frame, Form: asked, Username: "anna@example.com",
		RecoveryCodes: []string{
			"k7mq-3xwd-9f", "p4tn-8hvc-6r", "w2zy-5gkb-7s", "m9xf-4qae-3h", "c6rj-2nwv-8y",
			"t5bd-7gxs-4m", "h3pe-9ckf-6w", "v8sy-2jrt-5d", "z4kh-6xmq-9c", "f7ea-3tnp-8v",
		},
	}
}

// titled is the frame of a page that is called by a sentence.
func titled(s templates.Sentence) templates.Frame {
	f := frame
	f.Title = templates.Say(s)
	return f
}
