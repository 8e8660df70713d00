package utf8text

// The lengths at which Check takes another way through a text.
const (
	Lane  = lane
	Step  = step
	Slack = slack
)
