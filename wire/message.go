package wire

// Message numbers (RFC 4250 section 4.1.2), by the layer that owns them.
const (
	// Transport layer, generic (RFC 4253 section 11).
	MsgDisconnect     = 1
	MsgIgnore         = 2
	MsgUnimplemented  = 3
	MsgDebug          = 4
	MsgServiceRequest = 5
	MsgServiceAccept  = 6
	MsgExtInfo        = 7 // RFC 8308 section 2.3
	MsgNewCompress    = 8 // RFC 8308 section 3.2

	// Transport layer, algorithm negotiation (RFC 4253 section 7).
	MsgKexInit = 20
	MsgNewKeys = 21

	// Key exchange methods own 30 to 49, each with its own meaning.
	MsgKexFirst = 30
	MsgKexLast  = 49

	// User authentication (RFC 4252 section 6).
	MsgUserauthRequest = 50
	MsgUserauthFailure = 51
	MsgUserauthSuccess = 52
	MsgUserauthBanner  = 53

	// Authentication methods own 60 to 79, each with its own meaning.
	MsgUserauthMethodFirst = 60
	MsgUserauthMethodLast  = 79

	// Connection protocol (RFC 4254 section 9).
	MsgGlobalRequest           = 80
	MsgRequestSuccess          = 81
	MsgRequestFailure          = 82
	MsgChannelOpen             = 90
	MsgChannelOpenConfirmation = 91
	MsgChannelOpenFailure      = 92
	MsgChannelWindowAdjust     = 93
	MsgChannelData             = 94
	MsgChannelExtendedData     = 95
	MsgChannelEOF              = 96
	MsgChannelClose            = 97
	MsgChannelRequest          = 98
	MsgChannelSuccess          = 99
	MsgChannelFailure          = 100

	// Transport layer, ping@openssh.com (OpenSSH PROTOCOL section 1.9).
	MsgPing = 192
	MsgPong = 193
)
