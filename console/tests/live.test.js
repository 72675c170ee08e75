import assert from "node:assert/strict";
import test from "node:test";

class Socket {
  /** @type {Socket[]} */
  static all = [];
  readyState = 1;
  constructor() {
    Socket.all.push(this);
  }
  close() {}
  send() {}
}
Object.assign(globalThis, { WebSocket: Socket, location: { protocol: "http:", host: "camera.example.org" } });
const { connect, disconnect, live } = await import("../../daq/gateway/static/js/live.js");
const says = (/** @type {any} */ socket, /** @type {object[]} */ ...news) => socket.onmessage({ data: JSON.stringify({ type: "news", time_s: 0, news }) });

test("what is known stays while one connects anew, so that no form is taken down; then the first news take its place", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  connect(() => undefined);
  const first = /** @type {any} */ (Socket.all[0]);
  first.onopen();
  says(first, { event: "description", data: { devices: { supply: {} } } }, { event: "revision", data: { of: "qc", revision: 3 } });
  says(first, { event: "reading", data: { device: "supply", name: "voltage", value: 700 } });
  assert.deepEqual([live.get().connected, Object.keys(live.get().readings)], [true, ["supply voltage"]]);

  first.onclose({ code: 1006 });
  context.mock.timers.tick(300);
  const second = /** @type {any} */ (Socket.all[1]);
  second.onopen();
  assert.deepEqual([live.get().connected, Object.keys(live.get().description.devices), live.get().revisions], [false, ["supply"], {}]);

  says(second, { event: "description", data: { devices: { supply: {} } } }, { event: "revision", data: { of: "qc", revision: 3 } });
  assert.deepEqual([live.get().connected, live.get().readings, live.get().revisions], [true, {}, { qc: 3 }]);
  disconnect();
});
