package channel

import "github.com/fairlead-go/ssh/wire"

// Each message of RFC 4254 has a struct, an append method that encodes the
// whole payload, and a parse function that decodes one, strictly. Byte slices
// that parsing returns alias the payload.

// globalRequest is SSH_MSG_GLOBAL_REQUEST (RFC 4254 section 4).
type globalRequest struct {
	name      string
	wantReply bool
	payload   []byte
}

func (m globalRequest) append(b []byte) []byte {
	b = append(b, wire.MsgGlobalRequest)
	b = wire.AppendString(b, m.name)
	b = wire.AppendBool(b, m.wantReply)
	return append(b, m.payload...)
}

func parseGlobalRequest(p []byte) (m globalRequest, err error) {
	r := body(p, wire.MsgGlobalRequest)
	m = globalRequest{name: r.Text(), wantReply: r.Bool(), payload: r.Rest()}
	return m, r.End()
}

// channelOpen is SSH_MSG_CHANNEL_OPEN (RFC 4254 section 5.1).
type channelOpen struct {
	channelType string
	sender      uint32
	window      uint32
	maxPacket   uint32
	extra       []byte
}

func (m channelOpen) append(b []byte) []byte {
	b = append(b, wire.MsgChannelOpen)
	b = wire.AppendString(b, m.channelType)
	b = wire.AppendUint32(b, m.sender)
	b = wire.AppendUint32(b, m.window)
	b = wire.AppendUint32(b, m.maxPacket)
	return append(b, m.extra...)
}

func parseChannelOpen(p []byte) (m channelOpen, err error) {
	r := body(p, wire.MsgChannelOpen)
	m = channelOpen{channelType: r.Text(), sender: r.Uint32(), window: r.Uint32(), maxPacket: r.Uint32(), extra: r.Rest()}
	return m, r.End()
}

// openConfirmation is SSH_MSG_CHANNEL_OPEN_CONFIRMATION (RFC 4254 section 5.1).
type openConfirmation struct {
	recipient uint32
	sender    uint32
	window    uint32
	maxPacket uint32
	extra     []byte
}

func (m openConfirmation) append(b []byte) []byte {
	b = append(b, wire.MsgChannelOpenConfirmation)
	b = wire.AppendUint32(b, m.recipient)
	b = wire.AppendUint32(b, m.sender)
	b = wire.AppendUint32(b, m.window)
	b = wire.AppendUint32(b, m.maxPacket)
	return append(b, m.extra...)
}

func parseOpenConfirmation(p []byte) (m openConfirmation, err error) {
	r := body(p, wire.MsgChannelOpenConfirmation)
	m = openConfirmation{recipient: r.Uint32(), sender: r.Uint32(), window: r.Uint32(), maxPacket: r.Uint32(), extra: r.Rest()}
	return m, r.End()
}

// openFailure is SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254 section 5.1).
type openFailure struct {
	recipient uint32
	reason    OpenReason
	message   string
	language  string
}

func (m openFailure) append(b []byte) []byte {
	b = append(b, wire.MsgChannelOpenFailure)
	b = wire.AppendUint32(b, m.recipient)
	b = wire.AppendUint32(b, uint32(m.reason))
	b = wire.AppendString(b, m.message)
	return wire.AppendString(b, m.language)
}

func parseOpenFailure(p []byte) (m openFailure, err error) {
	r := body(p, wire.MsgChannelOpenFailure)
	m = openFailure{recipient: r.Uint32(), reason: OpenReason(r.Uint32()), message: r.Text(), language: r.Text()}
	return m, r.End()
}

// windowAdjust is SSH_MSG_CHANNEL_WINDOW_ADJUST (RFC 4254 section 5.2).
type windowAdjust struct {
	recipient uint32
	add       uint32
}

func (m windowAdjust) append(b []byte) []byte {
	b = append(b, wire.MsgChannelWindowAdjust)
	b = wire.AppendUint32(b, m.recipient)
	return wire.AppendUint32(b, m.add)
}

func parseWindowAdjust(p []byte) (m windowAdjust, err error) {
	r := body(p, wire.MsgChannelWindowAdjust)
	m = windowAdjust{recipient: r.Uint32(), add: r.Uint32()}
	return m, r.End()
}

// extendedDataStderr is SSH_EXTENDED_DATA_STDERR (RFC 4254 section 5.2).
const extendedDataStderr = 1

// maxDataHead is the longest head of a data message: number, recipient,
// type code and length.
const maxDataHead = 13

// channelData is SSH_MSG_CHANNEL_DATA, or with a code other than 0
// SSH_MSG_CHANNEL_EXTENDED_DATA (RFC 4254 section 5.2).
type channelData struct {
	recipient uint32
	code      uint32
	data      []byte
}

// appendDataHead appends all of a data message but its n bytes of data.
func appendDataHead(b []byte, recipient, code uint32, n int) []byte {
	if code == 0 {
		b = append(b, wire.MsgChannelData)
		b = wire.AppendUint32(b, recipient)
	} else {
		b = append(b, wire.MsgChannelExtendedData)
		b = wire.AppendUint32(b, recipient)
		b = wire.AppendUint32(b, code)
	}
	return wire.AppendUint32(b, uint32(n))
}

func (m channelData) append(b []byte) []byte {
	return append(appendDataHead(b, m.recipient, m.code, len(m.data)), m.data...)
}

func parseChannelData(p []byte) (m channelData, err error) {
	r := body(p, wire.MsgChannelData)
	m = channelData{recipient: r.Uint32(), data: r.Bytes()}
	return m, r.End()
}

// parseExtendedData refuses the code 0, which no type has, so that a
// channelData of code 0 is always plain data.
func parseExtendedData(p []byte) (m channelData, err error) {
	r := body(p, wire.MsgChannelExtendedData)
	m = channelData{recipient: r.Uint32(), code: r.Uint32(), data: r.Bytes()}
	if m.code == 0 {
		r.Fail(wire.ErrInvalid)
	}
	return m, r.End()
}

// channelSignal is one of the messages that hold only a recipient:
// SSH_MSG_CHANNEL_EOF, _CLOSE, _SUCCESS and _FAILURE (RFC 4254 sections 5.3
// and 5.4).
type channelSignal struct {
	number    byte
	recipient uint32
}

func (m channelSignal) append(b []byte) []byte {
	return wire.AppendUint32(append(b, m.number), m.recipient)
}

func parseChannelSignal(p []byte) (m channelSignal, err error) {
	r := wire.NewReader(p)
	m = channelSignal{number: r.Byte(), recipient: r.Uint32()}
	return m, r.End()
}

// channelRequest is SSH_MSG_CHANNEL_REQUEST (RFC 4254 section 5.4).
type channelRequest struct {
	recipient uint32
	name      string
	wantReply bool
	payload   []byte
}

func (m channelRequest) append(b []byte) []byte {
	b = append(b, wire.MsgChannelRequest)
	b = wire.AppendUint32(b, m.recipient)
	b = wire.AppendString(b, m.name)
	b = wire.AppendBool(b, m.wantReply)
	return append(b, m.payload...)
}

func parseChannelRequest(p []byte) (m channelRequest, err error) {
	r := body(p, wire.MsgChannelRequest)
	m = channelRequest{recipient: r.Uint32(), name: r.Text(), wantReply: r.Bool(), payload: r.Rest()}
	return m, r.End()
}

// body returns a Reader past the message number, which must be the given one.
func body(p []byte, number byte) wire.Reader {
	r := wire.NewReader(p)
	if r.Byte() != number {
		r.Fail(wire.ErrInvalid)
	}
	return r
}
