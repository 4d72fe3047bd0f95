package templates

// The sentences that the pages of an account choose.
const (
	StepUp          Sentence = "signin.step_up"
	SignInOver      Sentence = "signin.over"
	SignInEnded     Sentence = "signin.ended"
	DeviceEnded     Sentence = "devices.ended"
	OthersEnded     Sentence = "devices.ended_all"
	AccessWithdrawn Sentence = "apps.withdrawn"
	PasswordChanged Sentence = "security.password.changed"
	FactorRemoved   Sentence = "security.totp.removed"
	FactorRequired  Sentence = "security.totp.required"
	CodesRenewed    Sentence = "security.codes.renewed"
	NameChanged     Sentence = "security.name.changed"
)
