package templates_test

import (
	"time"

	"github.com/sojourn-auth/sojourn/templates"
)

// mailed is every page around mailed links in every state that looks different.
var mailed = map[string]templates.Page{
	"signin-forgot": templates.SignIn{
		Frame: frame, Form: asked, SignUpURL: "/signup?next=sealed-request", ForgotURL: "/forgot?next=sealed-request",
	},
	"signin-reset": templates.SignIn{Frame: alone, Notice: templates.Say(templates.ResetDone), ForgotURL: "/forgot"},
	"forgot":       templates.Forgot{Frame: frame, Form: asked, SignInURL: "/signin?next=sealed-request"},
	"forgot-problem": templates.Forgot{
		Frame: alone, Username: "anna", Form: problem("username", "Enter an e-mail address like name@example.com."),
	},
	"forgot-throttled": templates.Forgot{
		Frame: alone, Username: "anna@example.com", Form: problem("", "Too many tries. Wait 5 minutes, then try again."),
	},
	"forgot-sent": told(templates.MailTitle, templates.Told{
		Lead: templates.Say(templates.SentReset, "email", "anna@example.com"), Ways: ways("/signin", templates.ToSignIn),
	}),
	"reset":           templates.Reset{Frame: alone, Link: "sealed-link", Username: "anna@example.com", MinPassword: 8},
	"reset-contested": templates.Reset{Frame: alone, Link: "sealed-link", Username: "anna@example.com", MinPassword: 8, Contested: true},
	"reset-problem": templates.Reset{
		Frame: alone, Link: "sealed-link", Username: "anna@example.com", MinPassword: 8,
		Form: problem("new_password", "Choose a password of at least 8 characters."),
	},
	"link-over": told(templates.LinkTitle, templates.Told{
		Lead: templates.Say(templates.ResetOver),
		Ways: append(ways("/forgot", templates.ResetAnew), ways("/signin", templates.ToSignIn)...),
	}),
	"verify": templates.Verify{Frame: alone, Link: "sealed-link", Email: "anna@example.com"},
	"verified": told(templates.VerifyTitle, templates.Told{
		Lead: templates.Say(templates.Verified, "email", "anna@example.com"), Done: true,
		Ways: ways("/account", templates.ToAccount),
	}),
	"verified-new": told(templates.VerifyTitle, templates.Told{
		Lead: templates.Say(templates.ConfirmedNew, "email", "anna@example.com"), Done: true,
		Ways: ways("/signin", templates.ToSignIn),
	}),
	"signup-sent": told(templates.MailTitle, templates.Told{
		Lead: templates.Say(templates.SentSignUp, "email", "anna@example.com"), Ways: ways("/signin", templates.ToSignIn),
	}),
	"signin-confirmed": templates.SignIn{
		Frame: frame, Form: asked, Username: "anna@example.com", Notice: templates.Say(templates.Confirmed), ForgotURL: "/forgot",
	},
	"unconfirmed": templates.Unconfirmed{Frame: frame, Form: asked, Username: "anna@example.com", SignInURL: "/signin?next=sealed-request"},
	"unconfirmed-throttled": templates.Unconfirmed{
		Frame: alone, Username: "anna@example.com", Form: problem("", "Too many tries. Wait 5 minutes, then try again."),
	},
	"email": templates.NewEmail{Frame: alone, Username: "anna@example.com", BackURL: "/account/security"},
	"email-problem": templates.NewEmail{
		Frame: alone, Username: "anna@example.com", NewEmail: "anna@example.com",
		Form: problem("new_email", "This is the address of your account already. Enter another one."),
	},
	"address": templates.ChangeAddress{Frame: alone, Link: "sealed-link", Email: "anna.new@example.com"},
	"notme":   templates.NotMe{Frame: alone, Link: "sealed-link", Username: "anna@example.com"},
	"notme-undo": templates.NotMe{
		Frame: alone, Link: "sealed-link", Username: "anna@example.com", Since: templates.Moment{At: noon.Add(-49 * time.Hour), Now: noon},
	},
	"reset-changed": templates.Reset{
		Frame: alone, Link: "sealed-link", Username: "anna@example.com", MinPassword: 8, Changed: []string{"name", "factors"},
	},
	"reset-clean": templates.Reset{Frame: alone, Link: "sealed-link", Username: "anna@example.com", MinPassword: 8, Clean: true},
	"stopped-undone": templates.Stopped{
		Frame: alone, Link: "sealed-link", Undone: []string{"address", "name", "factors", "consent"}, Void: true,
	},
	"stopped": templates.Stopped{Frame: alone, Link: "sealed-link"},
	"stopped-throttled": templates.Stopped{
		Frame: alone, Link: "sealed-link", Form: problem("", "Too many tries. Wait 5 minutes, then try again."),
	},
}

func told(title templates.Sentence, page templates.Told) templates.Told {
	page.Frame = alone
	page.Title = templates.Say(title)
	return page
}

func ways(path string, says templates.Sentence) []templates.Link {
	return []templates.Link{{URL: path, Label: templates.Say(says)}}
}
