package auth

import "time"

// Bounds on what a peer can make grow or go on. Every message of the peer
// counts against one of them, so that authentication ends whatever it does.
const (
	// Server, defaults of ServerConfig. Tries and timeout are those of sshd.
	defaultMaxAuthTries = 6
	defaultMaxAttempts  = 100
	defaultTimeout      = 120 * time.Second
	defaultFailureDelay = 50 * time.Millisecond
	maxFailureDelay     = 5 * time.Second // rounding up stops here
	maxUserName         = 1024            // bytes

	// Client. A request is a USERAUTH_REQUEST sent.
	defaultReplyTimeout = 120 * time.Second // what sshd gives the whole login
	defaultTries        = 3                 // of a prompt, as ssh's NumberOfPasswordPrompts
	maxRequests         = 256
	maxPartials         = 16
	maxInfoRequests     = 64
	maxPasswordChanges  = 4 // PASSWD_CHANGEREQ in a row

	// Both.
	maxBanners     = 32
	maxBannerBytes = 128 << 10 // of all banners together
	maxQuestions   = 100       // in one INFO_REQUEST
)
