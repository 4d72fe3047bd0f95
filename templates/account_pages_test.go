package templates_test

import (
	"fmt"
	"maps"
	"time"

	"github.com/sojourn-auth/sojourn/templates"
)

// account is every page of a person's account in every state that looks different.
var account = map[string]templates.Page{
	"account": templates.Account{Frame: alone, Username: "anna@example.com", SignOutAction: "/signout"},
	"account-name": templates.Account{
		Frame: alone, Username: "anna@example.com", Name: "Anna Ångström", SignOutAction: "/signout",
	},
	"name":         templates.Name{Frame: alone, Name: "Anna Ångström"},
	"name-problem": templates.Name{Frame: alone, Form: problem("name", "Enter a name of at most 100 characters, on one line.")},
	"devices-one":  templates.Devices{Frame: alone, Devices: devices(1), SignOutAction: "/signout"},
	"devices": templates.Devices{
		Frame: alone, Devices: devices(4), SignOutAction: "/signout", Notice: templates.Say(templates.DeviceEnded),
		Past: []templates.PastDevice{
			{Machine: pixel, App: "Notes", Cause: "ended_by_user", Ended: ago(3 * time.Hour)},
			{App: "Mail", Cause: "of tomorrow", Ended: ago(20 * 24 * time.Hour)},
		},
	},
	"devices-many": templates.Devices{Frame: alone, Devices: devices(30), SignOutAction: "/signout", More: true},
	"devices-gone": templates.Devices{
		Frame: alone, Devices: devices(3), SignOutAction: "/signout",
		Form: problem("", "There is no such device among yours, or it is signed out already."),
	},
	"apps-none": templates.Apps{Frame: alone, Notice: templates.Say(templates.AccessWithdrawn)},
	"apps": templates.Apps{Frame: alone, More: true, Apps: []templates.Access{
		{
			App: notes, ClientID: "notes", Scopes: []string{"openid", "email", "offline_access", "calendar.read"},
			Since: ago(3 * 24 * time.Hour),
		},
		{App: templates.App{}, ClientID: "nameless", Since: ago(0)},
		{App: templates.App{Name: "Mail"}, ClientID: "mail", OpenURL: "https://mail.example/begin?iss=https%3A%2F%2Fdoor.example", Own: true},
	}},
	"security": security(templates.Authenticator{EnrolURL: "/account/totp", RemoveAction: "/account/totp/remove"}),
	"security-on": security(templates.Authenticator{
		ReplaceURL: "/account/totp/replace",
		On:         true, RemoveAction: "/account/totp/remove", CodesLeft: 8, CodesURL: "/account/codes",
	}),
	"security-required": security(templates.Authenticator{
		On: true, CodesLeft: 1, CodesURL: "/account/codes", ReplaceURL: "/account/totp/replace", SaveURL: "/account/totp/codes",
	}),
	"security-problem": templates.Security{
		Contact: templates.Contact{Email: "anna@example.com"},
		Frame:   alone, PasswordSet: ago(0), MinPassword: 8, NameURL: "/account/name",
		Form: problem("current_password", "That is not your password. Try again."),
	},
	"renewal": templates.Renewal{
		Frame: alone, Username: "anna@example.com", RecoveryCodes: save().RecoveryCodes, Renewal: "sealed-renewal",
		BackURL: "/account/security",
	},
}

// with is both sets of pages.
func with(more, pages map[string]templates.Page) map[string]templates.Page {
	maps.Copy(pages, more)
	return pages
}

var pixel = templates.Machine{Kind: templates.Phone, Name: "Anna’s phone", Model: "Pixel 9"}

func ago(past time.Duration) templates.Moment {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	return templates.Moment{At: now.Add(-past), Now: now}
}

// devices are n of all sorts, the first being the one that is looked at.
func devices(n int) []templates.Device {
	sorts := []templates.Device{
		{
			Machine: templates.Machine{Kind: templates.Phone, Browser: "Safari", Platform: "iPhone"}, Browser: true,
			Field: "signin",
		},
		{Machine: pixel, App: "Notes", Version: "4.2.0 (811)", Address: "203.0.113.7", Place: "Berlin, Germany", Authenticator: true, Field: "sid"},
		{
			Machine: templates.Machine{Kind: templates.Computer, Browser: "Firefox", Platform: "Linux"}, App: "Mail",
			Field: "sid",
		},
		{
			App:     "An app with a long name that its makers could not agree to shorten",
			Address: "2001:db8:85a3::8a2e:370:7334", Field: "sid", Connected: true, Scopes: []string{"email", "offline_access"},
			Places: []templates.Place{{Name: "Your notes", Words: []string{"Read your notes", "Change your notes"}}},
		},
	}
	var all []templates.Device
	for i := range n {
		d := sorts[i%len(sorts)]
		d.This, d.ID = i == 0, fmt.Sprintf("id-%d", i)
		d.First, d.Last = ago(time.Duration(i*i)*7*time.Hour), ago(time.Duration(i*i)*2*time.Hour)
		all = append(all, d)
	}
	return all
}

func security(a templates.Authenticator) templates.Security {
	return templates.Security{
		Frame: alone, PasswordSet: ago(200 * 24 * time.Hour), MinPassword: 8, Authenticator: a,
		Contact: contact(a.On),
		Name:    "Anna Ångström", NameURL: "/account/name",
		Activity: []templates.Happening{
			{Kind: "signin.proved", Detail: "pwd", When: ago(time.Minute), Times: 3, Network: "192.0.2.0/24", Place: "Berlin, Germany"},
			{Kind: "password.refused", When: ago(2 * time.Hour), Network: "192.0.2.0/24"},
			{Kind: "signin.new_browser", Detail: "Chrome on Android", Browser: "Chrome on Android", When: ago(3 * time.Hour), Network: "2001:db8::/48"},
			{Kind: "session.ended", Detail: "reuse", App: "Notes", When: ago(5 * time.Hour)},
			{Kind: "user.unlocked", When: ago(48 * time.Hour), Operator: true},
			{Kind: "of.tomorrow", When: ago(60 * 24 * time.Hour)},
		},
	}
}

func contact(verified bool) templates.Contact {
	c := templates.Contact{Email: "anna@example.com", Verified: verified, ChangeURL: "/account/email"}
	if !verified {
		c.VerifyAction = "/account/verify"
	}
	return c
}
