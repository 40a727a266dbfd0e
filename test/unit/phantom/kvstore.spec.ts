import { KvStoreContext } from "neuroglancer/unstable/kvstore/context.js";
import { frontendBackendIsomorphicKvStoreProviderRegistry } from "neuroglancer/unstable/kvstore/register.js";
import { expect, it } from "vitest";
import "../../../layers/phantom_kvstore.js";

const context = () => {
  const kvStoreContext = new KvStoreContext();
  // Only the map of providers is touched.
  frontendBackendIsomorphicKvStoreProviderRegistry.applyToContext({ kvStoreContext } as never);
  return kvStoreContext;
};

it("reads info, ranges and nothing through Neuroglancer's kvstores", async () => {
  const kvstores = context();
  const whole = await (await kvstores.read("phantom://fib/1/em/info"))!.response.text();
  expect(JSON.parse(whole).data_type).toBe("uint8");
  const part = await kvstores.read("phantom://fib/1/em/info", { byteRange: { offset: 2, length: 5 } });
  expect(await part!.response.text()).toBe(whole.slice(2, 7));
  const end = await kvstores.read("phantom://fib/1/em/info", { byteRange: { suffixLength: 4 } });
  expect(await end!.response.text()).toBe(whole.slice(-4));
  expect(await kvstores.stat("phantom://fib,noise=12/1/em/info")).toMatchObject({
    totalSize: expect.any(Number),
  });
  expect(await kvstores.read("phantom://fib/1/em/zarr.json")).toBeUndefined();
  await expect(kvstores.read("phantom://fib/1/em/zarr.json", { throwIfMissing: true })).rejects.toThrow(
    "phantom://fib/1/em/zarr.json",
  );
  await expect(kvstores.read("phantom://nonsense/1/em/info")).rejects.toThrow(/unknown phantom style/);
});

it("keeps the address through a join", () => {
  const kvstores = context();
  const { store, path } = kvstores.getKvStore("phantom://fib,noise=12/1/em/");
  expect(() => kvstores.getKvStore("phantom://%E0%A4%A/1/em/")).toThrow(/percent-encoding/);
  expect(store.getUrl(`${path}info`)).toBe("phantom://fib,noise=12/1/em/info");
});
