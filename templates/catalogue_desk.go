package templates

// deskSentences are what people read on the way to the operators' desk, and what is around each of its pages. What stands on
// these is English alone, like the command line and the API (docs/decisions/0030-the-desk-is-opened-by-the-pages.md).
var deskSentences = map[string]string{
	"opendesk.title":       "Open the operators’ desk?",
	"opendesk.lead":        "You go on to {place} as {username}. Go on only if you have just opened the desk there yourself.",
	"opendesk.submit":      "Open the desk",
	"opendesk.submit.busy": "Opening…",
	"opendesk.stay":        "No, stay here",
	"desk.closed":          "The desk stays closed",
	"desk.no_role":         "Your account has no role at the operators’ desk. Whoever runs this service can give it one.",
	"desk.no_factor":       "The operators’ desk needs a second step to sign in, and your account has none yet.",
	"desk.enrol":           "Add an authenticator app",
	"desk.unknown":         "The desk that sent you here is not one that this server knows. Open it at its own address.",

	"desk.menu":      "Menu",
	"desk.places":    "Places of the desk",
	"desk.leave":     "Sign out",
	"desk.next":      "Older",
	"desk.download":  "Download:",
	"desk.choose":    "Search",
	"desk.once":      "This is shown once. Copy it now.",
	"desk.chart.all": "The same in numbers",

	"event.role.changed":     "What you may do at the operators’ desk was changed",
	"event.desk.entered":     "You opened the operators’ desk",
	"event.operator.acted":   "An operator did something for you and noted why",
	"event.webhook.added":    "A program of the operator is told what happens",
	"event.webhook.removed":  "A program of the operator is told nothing more",
	"event.webhook.replayed": "A program of the operator was told again what happened",
	"event.webhook.rotated":  "A program of the operator was given another secret",
	"event.case.closed":      "An operator looked at what was unusual",
}
