// The slider over the training: it chooses a moment, whose samples are shown and whose place is marked in the charts
const moments = JSON.parse(document.getElementById("moments").textContent);
const slider = document.querySelector("#samples input");

function show(moment) {
  document.querySelector("#samples img").src = moment.picture;
  document.querySelector("#samples output").textContent = moment.caption;
  slider.setAttribute("aria-valuetext", moment.caption);
  for (const mark of document.querySelectorAll(".moment")) {
    const x = 1000 * moment.images / mark.dataset.images;
    mark.setAttribute("d", `M${x} 0V1000`);
  }
}

if (slider) {
  slider.addEventListener("input", () => show(moments[slider.value]));
  slider.value = slider.max; // some browsers keep the value of before
  show(moments[slider.max]);
}

// While the training goes on, load the page again, unless somebody reads it: has chosen an earlier moment, opened the
// numbers, or selected or focused something
function mayReload() {
  const isRead = document.activeElement !== document.body || !getSelection().isCollapsed;
  const isAtTheEnd = !slider || slider.value === slider.max;
  return !document.hidden && !isRead && isAtTheEnd && !document.querySelector("details[open]");
}

if (document.body.dataset.state === "running") {
  setInterval(() => mayReload() && location.reload(), 60000);
}
