// A WebRTC connection that comes again by itself: video, with a data channel for commands and figures beside it.
import { RequestError, asJson, ask } from "./server.js";
import { wait } from "./shared.js";

const RETRY_MS = 600, PING_MS = 1500, GATHER_MS = 1500, CONNECT_MS = 6000, WATCH_MS = 500;
const PROBE_MS = 1500, DEAF_MS = 5000; // silent for so long: look whether the server is there; take the connection for lost

export class Connection {
  #closed = false;
  #peer = null;
  #channel = null;
  #start = ""; // names the run of the server that was connected to
  #restarted = false;

  // camera: the MediaStream to send, or null. on: { found, video, message, open(restarted), waiting(words), failed(words) }.
  constructor(camera, on) {
    [this.camera, this.on] = [camera, on];
    this.#run();
  }

  // Whether it could be sent.
  tell(message) {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  close() {
    this.#closed = true;
    this.#peer?.close();
  }

  async #run() {
    while (!this.#closed) {
      let words = "The connection was lost. Waiting for the server…";
      try {
        await this.#connected();
        if (this.#closed) break;
        this.on.open(this.#restarted);
        this.#restarted = false;
        await this.#lost();
      } catch (error) {
        words = waitsFor(error);
        if (!words && !this.#closed) { this.close(); this.on.failed(`The video cannot be shown: ${error.message}.`); }
      }
      this.#peer?.close();
      if (this.#closed) break;
      this.on.waiting(words);
      await wait(RETRY_MS);
    }
  }

  async #connected() {
    const state = await (await ask("/api/state", { limitMs: PROBE_MS })).json();
    if (this.#closed) return;
    this.#restarted ||= Boolean(this.#start) && state.start !== this.#start;
    this.#start = state.start;
    this.on.found(state);
    const peer = this.#peer = new RTCPeerConnection();
    const channel = this.#channel = peer.createDataChannel("commands");
    peer.addEventListener("track", (event) => {
      event.receiver.jitterBufferTarget = 0;
      if (!this.#closed) this.on.video(new MediaStream([event.track]));
    });
    if (this.camera) {
      const [track] = this.camera.getVideoTracks();
      track.contentHint = "detail"; // where the network is slow, fewer frames rather than smaller ones
      peer.addTransceiver(track, { direction: "sendrecv", sendEncodings: [{ maxBitrate: 6e6 }] });
    } else {
      peer.addTransceiver("video", { direction: "recvonly" });
    }
    await peer.setLocalDescription();
    await gathered(peer);
    const offer = { sdp: peer.localDescription.sdp, mode: this.camera ? "send" : "view" };
    const { sdp } = await (await ask("/api/offer", asJson(offer))).json();
    if (this.#closed) return;
    await peer.setRemoteDescription({ type: "answer", sdp: quickStart(sdp) });
    await opened(channel);
  }

  // Comes back when the connection is lost: closed by the server, broken, or silent.
  #lost() {
    const [peer, channel] = [this.#peer, this.#channel];
    return new Promise((resolve) => {
      let heard = performance.now();
      const ping = setInterval(() => this.tell({ ping: 1 }), PING_MS);
      const watch = setInterval(async () => {
        const silent = performance.now() - heard;
        if (this.#closed || silent > DEAF_MS) end();
        else if (silent > PROBE_MS) await ask("/api/state", { limitMs: PROBE_MS }).catch((error) => { if (!error.status) end(); });
      }, WATCH_MS);
      const end = () => { clearInterval(ping); clearInterval(watch); resolve(); };
      channel.addEventListener("message", (event) => {
        heard = performance.now();
        if (!this.#closed) this.on.message(JSON.parse(event.data));
      });
      channel.addEventListener("close", end);
      peer.addEventListener("connectionstatechange", () => { if (["failed", "disconnected", "closed"].includes(peer.connectionState)) end(); });
    });
  }
}

// What a visitor waits for after an error, or "" where waiting is of no use.
function waitsFor(error) {
  if (!(error instanceof RequestError)) return ""; // such as a browser without WebRTC
  const { message, status } = error;
  if (!status) return `${message[0].toUpperCase()}${message.slice(1)}. Waiting for it to come back…`;
  if (status === 503 || status === 429) return "All places are taken. You come in when one is free…";
  if (status >= 500) return `The server answered ${status}. Trying again…`;
  return "";
}

// Chromium begins at a tenth of the bit rate that a camera needs and takes half a minute to raise it; these are its own parameters for more.
function quickStart(sdp) {
  const rates = "x-google-start-bitrate=3000;x-google-min-bitrate=1000";
  return sdp.replace(/^a=rtpmap:(\d+) VP8\/90000\r\n/gm, (line, type) => `${line}a=fmtp:${type} ${rates}\r\n`);
}

function gathered(peer) {
  return new Promise((resolve) => {
    const check = () => { if (peer.iceGatheringState === "complete") resolve(); };
    peer.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, GATHER_MS);
    check();
  });
}

function opened(channel) {
  return new Promise((resolve, reject) => {
    channel.addEventListener("open", resolve);
    channel.addEventListener("close", () => reject(new RequestError("the server closed the connection", 0)));
    setTimeout(() => reject(new RequestError("the server sends no video", 0)), CONNECT_MS);
  });
}
