// The login: a link to /login#TOKEN logs in at once. Browsers do not send what is after the sign.

const token = decodeURIComponent(location.hash.slice(1));
document.getElementById("wrong").hidden = location.search !== "?wrong";
if (token !== "") {
  history.replaceState(null, "", "/login");
  document.getElementById("token").value = token;
  document.getElementById("login").submit();
}
