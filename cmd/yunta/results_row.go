package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"yunta/child"
	"yunta/ipc"
)

// recordStates are what a record can be, as this command calls it.
var recordStates = []string{"succeeded", "failed", "unsuccessful", "running", "interrupted"}

func recordState(s ipc.RecordStatus, busy bool) string {
	switch s {
	case ipc.RecordSucceeded:
		return "succeeded"
	case ipc.RecordFailed:
		return "failed"
	case ipc.RecordUnsuccessful:
		return "unsuccessful"
	}
	if busy {
		return "running"
	}
	return "interrupted"
}

// A resultRow is a record as it is shown. Its JSON form is the command's --json.
type resultRow struct {
	Job        string   `json:"job,omitempty"`
	Entry      string   `json:"entry"`
	Index      int64    `json:"index"`
	Occurrence uint32   `json:"occurrence"`
	Attempt    uint32   `json:"attempt"`
	State      string   `json:"state"`
	Started    string   `json:"started"`           // RFC 3339, in UTC
	Seconds    *float64 `json:"seconds,omitempty"` // until it ended
	Writer     uint32   `json:"writer"`
	PID        int      `json:"pid"`
	Digest     string   `json:"digest"` // SHA-256 of the encoded argument
	Argument   any      `json:"argument"`
	Cut        bool     `json:"argument_cut,omitempty"` // only its beginning was kept, or it cannot be shown
	Result     any      `json:"result,omitempty"`
	Error      string   `json:"error,omitempty"`
}

func newRow(r *ipc.Record, state string) *resultRow {
	row := &resultRow{
		Job: r.Job, Entry: r.Entry, Index: r.Index, Occurrence: r.Occurrence, Attempt: r.Attempt, State: state,
		Started: r.Started.UTC().Format("2006-01-02T15:04:05.000000Z"), Writer: r.Writer, PID: r.PID, Digest: hex.EncodeToString(r.Digest[:]),
		Cut: int64(len(r.Argument)) < r.ArgumentSize,
	}
	if row.Cut {
		row.Argument = raw(r.Argument)
	} else {
		row.Argument = shown(r.Argument)
	}
	if r.Status != ipc.RecordRunning {
		seconds := r.Ended.Sub(r.Started).Round(time.Microsecond).Seconds()
		row.Seconds = &seconds
	}
	switch r.Status {
	case ipc.RecordFailed:
		if e, err := child.DecodeRecordedError(r.Payload); err == nil {
			row.Error = e.Error()
		} else {
			row.Error = err.Error()
		}
	case ipc.RecordSucceeded, ipc.RecordUnsuccessful:
		row.Result = shown(r.Payload)
	}
	return row
}

var anyCodec = ipc.CodecFor[any]()

// shown decodes a value for JSON; what cannot be decoded is shown as its bytes.
func shown(encoded []byte) any {
	v, rest, err := anyCodec.Decode(encoded)
	if err != nil || len(rest) > 0 {
		return raw(encoded)
	}
	return jsonable(v)
}

func raw(b []byte) any { return map[string]string{"base64": base64.StdEncoding.EncodeToString(b)} }

// jsonable turns a decoded value into one that JSON can say without loss.
func jsonable(v any) any {
	switch v := v.(type) {
	case []byte:
		return textOf(string(v))
	case string:
		return textOf(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case []any:
		for i := range v {
			v[i] = jsonable(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = jsonable(v[k])
		}
	}
	return v
}

func textOf(s string) any {
	if utf8.ValidString(s) {
		return s
	}
	return raw([]byte(s))
}

// compact is a value in few words, for a table or CSV.
func compact(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
