import assert from "node:assert/strict";
import test from "node:test";
import { forgetPerson, personalStore, store } from "../../daq/gateway/static/js/store.js";

test("what one person chose or was told is forgotten when another one sits here; what the station says is not", () => {
  const chosen = personalStore(null);
  const said = store(null);
  let heard = 0;
  chosen.watch(() => (heard += 1));
  chosen.set("w-aaaa");
  said.set("ready");
  forgetPerson();
  assert.deepEqual([chosen.get(), said.get(), heard], [null, "ready", 2]);
});
