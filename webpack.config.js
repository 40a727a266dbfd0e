import path from "node:path";
import CopyPlugin from "copy-webpack-plugin";
import { EsbuildPlugin } from "esbuild-loader";
import HtmlWebpackPlugin from "html-webpack-plugin";

const here = import.meta.dirname;
const icon = (name) => path.join(here, "vendor/icons", name);

/**
 * One bundle for the page. Workers (Neuroglancer's chunk worker with our backend, inference, analysis) are found by
 * webpack itself through `new Worker(new URL("./x.ts", import.meta.url))`, each with its own chunks.
 *
 * Environment: CHONDRIA_DIST overrides the output folder (tests build apart from a running `npm start`).
 */
export default (_env, argv) => {
  const production = argv.mode !== "development";
  return {
    mode: production ? "production" : "development",
    entry: { main: "./src/app/main.ts" },
    output: {
      path: path.resolve(here, process.env.CHONDRIA_DIST ?? "dist"),
      filename: "[name].js",
      chunkFilename: "[name].[contenthash:8].js",
      clean: true,
    },
    devtool: production ? false : "source-map",
    performance: { hints: false },
    // A second build reads unchanged modules from here; production and development keep apart by name.
    cache: {
      type: "filesystem",
      cacheDirectory: path.join(here, ".cache/webpack"),
      name: production ? "production" : "development",
      buildDependencies: { config: [import.meta.filename, path.join(here, "package-lock.json")] },
    },
    resolve: {
      extensions: [".ts", ".js"],
      extensionAlias: { ".js": [".ts", ".js"] },
      alias: {
        // npm's ikonate@1.1.1 lacks the three icons that Neuroglancer takes from a GitHub fork.
        "ikonate/icons/code-alt.svg": icon("code-alt.svg"),
        "ikonate/icons/controls-alt.svg": icon("controls-alt.svg"),
        "ikonate/icons/layers.svg": icon("layers.svg"),
      },
    },
    module: {
      rules: [
        { test: /\.ts$/, loader: "esbuild-loader", options: { target: "es2022" }, exclude: /node_modules/ },
        { resourceQuery: /raw/, type: "asset/source" },
        // Neuroglancer's login redirect pages.
        {
          test: /\.html$/,
          include: /node_modules/,
          type: "asset/resource",
          generator: { filename: "[name][ext]" },
        },
        { test: /\.css$/, use: ["style-loader", "css-loader"] },
      ],
    },
    optimization: { minimizer: [new EsbuildPlugin({ target: "es2022", legalComments: "none" })] },
    plugins: [
      new HtmlWebpackPlugin({ template: "src/app/index.html", scriptLoading: "defer" }),
      new CopyPlugin({
        patterns: [
          // Loaded before any script, so that the page is dark and readable from the first frame.
          { from: "src/app/shell.css", to: "shell.css" },
          { from: "models", to: "models", noErrorOnMissing: true },
          { from: "node_modules/@tensorflow/tfjs-backend-wasm/dist/*.wasm", to: "wasm/[name][ext]" },
        ],
      }),
    ],
  };
};
